# usaged_embed(TARGET NAMESPACE HEADER FILE...): makes text files part of a library.
# Each FILE becomes a core::Asset in `NAMESPACE::kAssets`, declared in the generated HEADER.
function(usaged_embed target namespace header)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${header})
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAMESPACE=${namespace} "-DFILES=${ARGN}"
            -P ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake
    COMMENT "Embedding ${header}"
    VERBATIM)
  if(NOT TARGET embedded)
    # All of them, for what reads sources without building them.
    add_custom_target(embedded)
  endif()
  add_custom_target(embed_${header} DEPENDS ${out})
  add_dependencies(embedded embed_${header})
  target_sources(${target} PRIVATE ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
