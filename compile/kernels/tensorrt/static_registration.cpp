// For hosts that only dlopen a library, such as DeepStream: registers the plugin while the library is loaded.
//
// The registry is called through its vtable, which changed between TensorRT 10 and 11: one binary per major version.
#include "creator.h"

namespace {

struct HostLogger final : nvinfer1::ILoggerFinder {
  HostLogger() { setLoggerFinder(this); }
  nvinfer1::ILogger* findLogger() override { return getLogger(); }
};

HostLogger host_logger;

using vmamba::Creator;
REGISTER_TENSORRT_PLUGIN(Creator);

}  // namespace
