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
  target_sources(${target} PRIVATE ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
