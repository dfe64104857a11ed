// Who makes the plugin: from an ONNX node's attributes at build time, from a plan's fields at run time.
#ifndef VMAMBA_TENSORRT_CREATOR_H
#define VMAMBA_TENSORRT_CREATOR_H

#include "plugin.h"

namespace vmamba {

class Creator final : public nvinfer1::IPluginCreatorV3One {
 public:
  // Nullptr, and a logged line, for attributes that mean nothing and for a plan of other kernels.
  nvinfer1::IPluginV3* createPlugin(char const* name, nvinfer1::PluginFieldCollection const* fields,
                                    nvinfer1::TensorRTPhase phase) noexcept override;
  // The attributes that TensorRT's ONNX parser reads from the node, and as what.
  nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override;

  char const* getPluginName() const noexcept override { return kName; }
  char const* getPluginVersion() const noexcept override { return kVersion; }
  char const* getPluginNamespace() const noexcept override { return kNamespace; }
};

}  // namespace vmamba

// What TensorRT looks for in a plugin library (IPluginRegistry::loadLibrary).
extern "C" __attribute__((visibility("default"))) void setLoggerFinder(nvinfer1::ILoggerFinder* finder);
extern "C" __attribute__((visibility("default"))) nvinfer1::IPluginCreatorInterface* const* getCreators(
    int32_t& creators_n);

// Tells a host which sources a library file was made of, before it is loaded: edge/backends/tensorrt_library.py.
extern "C" __attribute__((visibility("default"))) const char vmamba_plugin_sources[];

#endif
