# SOURCES_DIGEST: what timings and plans are kept under, as plugin_digest in ../build_plugin.py makes it too, so that a
# plan made with one library is loaded by the other.
get_filename_component(KERNELS "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
file(GLOB DIGESTED "${KERNELS}/selective_scan.h"
  "${KERNELS}/cuda/*.h" "${KERNELS}/cuda/*.cuh" "${KERNELS}/cuda/*.cu" "${KERNELS}/cuda/*.cpp"
  "${KERNELS}/tensorrt/*.h" "${KERNELS}/tensorrt/*.cpp")
set(LINES "")
foreach(FILE IN LISTS DIGESTED)
  file(SHA256 "${FILE}" SHA)
  get_filename_component(NAME "${FILE}" NAME)
  list(APPEND LINES "${SHA} ${NAME}")
endforeach()
list(SORT LINES)
list(JOIN LINES "\n" LINES)
string(SHA256 SOURCES_DIGEST "${LINES}")
string(SUBSTRING "${SOURCES_DIGEST}" 0 16 SOURCES_DIGEST)
message(STATUS "Sources ${SOURCES_DIGEST}")
