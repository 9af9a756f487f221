# A package for Debian, by CPack: ./dev package
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME inspector-usaged)
set(CPACK_PACKAGE_VENDOR "inspector-usaged")
set(CPACK_PACKAGE_CONTACT "inspector-usaged developers <inspector-usaged@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "history and alerts for Amazon Inspector's usage totals")
set(CPACK_PACKAGE_DESCRIPTION
"Amazon Inspector tells each account what it used in the last 30 days, and
forgets the rest. This daemon asks it on a schedule in every configured
account and region, keeps each answer in SQLite, and serves what it costs
and cost, what changed and who did it, over HTTP, as metrics, on a dashboard
and on the command line. It raises alerts when a cost jumps.")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "prometheus, sqlite3")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(debian ${PROJECT_SOURCE_DIR}/cmake/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${debian}/conffiles ${debian}/postinst ${debian}/prerm ${debian}/postrm)

# Policy wants a changelog of its own form (12.7) and a copyright file (12.5).
string(TIMESTAMP when "%a, %d %b %Y %H:%M:%S +0000" UTC)  # of SOURCE_DATE_EPOCH, where that is set
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/debian-changelog CONTENT
"inspector-usaged (${PROJECT_VERSION}) unstable; urgency=medium

  * What is new is in NEWS.md.

 -- ${CPACK_PACKAGE_CONTACT}  ${when}
")
add_custom_command(
  OUTPUT ${PROJECT_BINARY_DIR}/changelog.gz ${PROJECT_BINARY_DIR}/NEWS.md.gz
  COMMAND sh -c "gzip -9n <debian-changelog >changelog.gz"
  COMMAND sh -c "gzip -9n <${PROJECT_SOURCE_DIR}/CHANGELOG.md >NEWS.md.gz"
  DEPENDS ${PROJECT_BINARY_DIR}/debian-changelog ${PROJECT_SOURCE_DIR}/CHANGELOG.md
  WORKING_DIRECTORY ${PROJECT_BINARY_DIR}
  VERBATIM)
add_custom_target(changelog ALL DEPENDS ${PROJECT_BINARY_DIR}/changelog.gz)
install(FILES ${PROJECT_BINARY_DIR}/changelog.gz ${PROJECT_BINARY_DIR}/NEWS.md.gz ${debian}/copyright
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
include(CPack)
