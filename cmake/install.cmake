# What is installed, and where.
install(TARGETS inspector-usaged RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# A configuration that is there already is the operator's.
install(CODE "
  if(NOT EXISTS \"\$ENV{DESTDIR}${CMAKE_INSTALL_FULL_SYSCONFDIR}/inspector-usaged.yaml\")
    file(INSTALL \"${PROJECT_SOURCE_DIR}/etc/inspector-usaged.yaml\"
         DESTINATION \"${CMAKE_INSTALL_FULL_SYSCONFDIR}\")
  endif()")

foreach(unit inspector-usaged inspector-usaged-backup)
  configure_file(systemd/${unit}.service.in systemd/${unit}.service @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/systemd/${unit}.service DESTINATION lib/systemd/system)
endforeach()
install(FILES systemd/inspector-usaged.socket systemd/inspector-usaged-backup.timer
        DESTINATION lib/systemd/system)
install(DIRECTORY systemd/examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples/systemd)
install(DIRECTORY etc/examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES etc/grafana/inspector-usaged.json etc/prometheus/inspector-usaged.rules.yaml
        DESTINATION ${CMAKE_INSTALL_DATADIR}/inspector-usaged)

# The program knows its manual page and its completion; the sample configuration is its own manual.
set(documents ${PROJECT_BINARY_DIR}/documents)
file(MAKE_DIRECTORY ${documents})
set(sample ${PROJECT_SOURCE_DIR}/etc/inspector-usaged.yaml)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sample})
file(READ ${sample} USAGED_SAMPLE)
string(REPLACE "\\" "\\e" USAGED_SAMPLE "${USAGED_SAMPLE}")
string(REPLACE "-" "\\-" USAGED_SAMPLE "${USAGED_SAMPLE}")
configure_file(etc/inspector-usaged.yaml.5.in ${documents}/inspector-usaged.yaml.5 @ONLY)
add_custom_command(
  OUTPUT ${documents}/inspector-usaged.1.gz ${documents}/inspector-usaged.yaml.5.gz ${documents}/completion
  COMMAND sh -c "$<TARGET_FILE:inspector-usaged> manual | gzip -9n >inspector-usaged.1.gz"
  COMMAND sh -c "gzip -9n <inspector-usaged.yaml.5 >inspector-usaged.yaml.5.gz"
  COMMAND sh -c "$<TARGET_FILE:inspector-usaged> completion >completion"
  DEPENDS inspector-usaged ${documents}/inspector-usaged.yaml.5
  WORKING_DIRECTORY ${documents}
  COMMENT "Writing the manual pages and the completion"
  VERBATIM)
add_custom_target(documents ALL DEPENDS ${documents}/completion)
install(FILES ${documents}/inspector-usaged.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${documents}/inspector-usaged.yaml.5.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${documents}/completion DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME inspector-usaged)

# What is in it (SBOM), where there are packages to be named.
find_program(DPKG_QUERY dpkg-query)
if(DPKG_QUERY)
  set(sbom ${PROJECT_BINARY_DIR}/sbom.cdx.json)
  set(lock ${PROJECT_SOURCE_DIR}/lib/web/package-lock.json)
  add_custom_command(
    OUTPUT ${sbom}
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:inspector-usaged> -DVERSION=${PROJECT_VERSION} -DLOCK=${lock}
            "-DHEADERS=libcli11-dev;nlohmann-json3-dev;libsqlitecpp-dev" -DOUT=${sbom}
            -P ${PROJECT_SOURCE_DIR}/cmake/sbom.cmake
    DEPENDS inspector-usaged ${lock} ${PROJECT_SOURCE_DIR}/cmake/sbom.cmake
    COMMENT "Writing what the program is made of"
    VERBATIM)
  add_custom_target(sbom ALL DEPENDS ${sbom})
  install(FILES ${sbom} DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
