#include "log.h"

#include <dlfcn.h>

#include <NvInferRuntime.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <string>

namespace vmamba {
namespace {

std::atomic<nvinfer1::ILoggerFinder*> finder_given{nullptr};

// TensorRT 11 put other functions before findLogger, so a finder of the other side of 11 cannot be called. The library
// that holds its vtable tells which side that is.
bool is_callable(nvinfer1::ILoggerFinder* finder) {
  Dl_info place;
  if (!finder || !dladdr(*reinterpret_cast<void**>(finder), &place) || !place.dli_fname) return false;
  void* library = dlopen(place.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  if (!library) return false;
  const auto get_version = reinterpret_cast<int32_t (*)()>(dlsym(library, "getInferLibVersion"));
  const int32_t major = get_version ? get_version() / 10000 : 0;
  dlclose(library);
  return major >= 10 && (major >= 11) == (NV_TENSORRT_MAJOR >= 11);
}

}  // namespace

void log_error(const char* text) noexcept {
  try {
    const std::string line = "SelectiveScan2D: " + std::string(text);
    nvinfer1::ILoggerFinder* finder = finder_given.load();
    nvinfer1::ILogger* logger = finder ? finder->findLogger() : nullptr;
    if (logger) logger->log(nvinfer1::ILogger::Severity::kERROR, line.c_str());
    else std::fprintf(stderr, "%s\n", line.c_str());
  } catch (const std::exception&) {
    // A message that cannot be told; the code that goes with it says enough to stop.
  }
}

}  // namespace vmamba

extern "C" __attribute__((visibility("default"))) void setLoggerFinder(nvinfer1::ILoggerFinder* finder) {
  vmamba::finder_given = vmamba::is_callable(finder) ? finder : nullptr;
}
