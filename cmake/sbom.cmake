# Writes what a program is made of, in CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json/): the libraries that it
# is linked with, as Debian's packages, those whose headers are compiled in, and what comes from npm.
#   cmake -DPROGRAM=... -DVERSION=... -DHEADERS="package;..." -DLOCK=package-lock.json -DOUT=... -P sbom.cmake
execute_process(COMMAND ldd ${PROGRAM} OUTPUT_VARIABLE linked COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "=> [^ ]+" paths "${linked}")
set(packages ${HEADERS})
foreach(path ${paths})
  string(SUBSTRING ${path} 3 -1 path)
  # dpkg knows a file by one of its names, before or after /usr was merged.
  file(REAL_PATH ${path} real)
  foreach(name ${path} ${real} /usr${path})
    execute_process(COMMAND dpkg-query -S ${name} OUTPUT_VARIABLE owner ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
      break()
    endif()
  endforeach()
  if(failed)
    message(FATAL_ERROR "no package has ${path}")
  endif()
  string(REGEX REPLACE "[:,].*" "" package "${owner}")
  list(APPEND packages ${package})
endforeach()
list(REMOVE_DUPLICATES packages)
list(SORT packages)

set(components "")
foreach(package ${packages})
  execute_process(COMMAND dpkg-query -W -f "\${Version}\n\${Architecture}\n" ${package}
                  OUTPUT_VARIABLE known COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCH "^([^\n]+)\n([^\n]+)" _ "${known}")
  set(version ${CMAKE_MATCH_1})
  set(architecture ${CMAKE_MATCH_2})
  string(REPLACE "+" "%2B" encoded "${version}")
  string(REPLACE ":" "%3A" encoded "${encoded}")
  list(APPEND components "{\"type\": \"library\", \"name\": \"${package}\", \"version\": \"${version}\", \
\"purl\": \"pkg:deb/debian/${package}@${encoded}?arch=${architecture}\"}")
endforeach()
file(READ ${LOCK} lock)
string(JSON count LENGTH "${lock}" packages)
math(EXPR last "${count} - 1")
foreach(i RANGE ${last})
  string(JSON path MEMBER "${lock}" packages ${i})
  if(path STREQUAL "")
    continue()
  endif()
  string(JSON version GET "${lock}" packages "${path}" version)
  string(REGEX REPLACE ".*node_modules/" "" name "${path}")
  list(APPEND components "{\"type\": \"library\", \"name\": \"${name}\", \"version\": \"${version}\", \
\"purl\": \"pkg:npm/${name}@${version}\"}")
endforeach()
list(JOIN components ",\n    " components)
file(WRITE ${OUT} "{
  \"bomFormat\": \"CycloneDX\",
  \"specVersion\": \"1.5\",
  \"version\": 1,
  \"metadata\": {\"component\": {\"type\": \"application\", \"name\": \"inspector-usaged\", \"version\": \"${VERSION}\"}},
  \"components\": [
    ${components}
  ]
}
")
