// SelectiveScan2D as a TensorRT plugin: IPluginV3, name "SelectiveScan2D", version "1", namespace "".
//
// One source for the headers of TensorRT 10.3 to 11.1; a shared library without libnvinfer among its needs, so that one
// binary serves every version. No call allocates on the device or waits; enqueue allocates nothing at all.
#ifndef VMAMBA_TENSORRT_PLUGIN_H
#define VMAMBA_TENSORRT_PLUGIN_H

#include <NvInferRuntime.h>

#include <array>
#include <string>
#include <vector>

#include "scan.h"

#ifndef VMAMBA_SOURCES
#error "Define VMAMBA_SOURCES as a digest of all sources: timings and plans are kept under it."
#endif
#define VMAMBA_QUOTED(text) #text
#define VMAMBA_QUOTED_VALUE(macro) VMAMBA_QUOTED(macro)

namespace vmamba {

using Dynamic = nvinfer1::DynamicPluginTensorDesc;
using Static = nvinfer1::PluginTensorDesc;

constexpr char kDigest[] = VMAMBA_QUOTED_VALUE(VMAMBA_SOURCES);
constexpr char kName[] = "SelectiveScan2D", kVersion[] = "1", kNamespace[] = "";

// Names of the plugin's fields: the ONNX node's attributes, and the digest that only a plan holds.
constexpr char kRoutes[] = "routes", kLayout[] = "layout", kSources[] = "sources";
constexpr char kUScale[] = "u_scale", kXDblScale[] = "x_dbl_scale", kYScale[] = "y_scale";

class Plugin final : public nvinfer1::IPluginV3,
                     public nvinfer1::IPluginV3OneCore,
                     public nvinfer1::IPluginV3OneBuild,
                     public nvinfer1::IPluginV3OneRuntime {
 public:
  explicit Plugin(Attributes attributes);

  nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override;
  nvinfer1::IPluginV3* clone() noexcept override;

  char const* getPluginName() const noexcept override { return kName; }
  char const* getPluginVersion() const noexcept override { return kVersion; }
  char const* getPluginNamespace() const noexcept override { return kNamespace; }

  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t getOutputDataTypes(nvinfer1::DataType* outputs, int32_t outputs_n, nvinfer1::DataType const* inputs,
                             int32_t inputs_n) const noexcept override;
  int32_t getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t inputs_n, nvinfer1::DimsExprs const* shape_inputs,
                          int32_t shape_inputs_n, nvinfer1::DimsExprs* outputs, int32_t outputs_n,
                          nvinfer1::IExprBuilder& builder) noexcept override;
  bool supportsFormatCombination(int32_t position, Dynamic const* tensors, int32_t inputs_n,
                                 int32_t outputs_n) noexcept override;
  int32_t configurePlugin(Dynamic const* inputs, int32_t inputs_n, Dynamic const* outputs,
                          int32_t outputs_n) noexcept override;
  size_t getWorkspaceSize(Dynamic const* inputs, int32_t inputs_n, Dynamic const* outputs,
                          int32_t outputs_n) const noexcept override;
  int32_t getNbTactics() noexcept override { return static_cast<int32_t>(tactics_.size()); }
  int32_t getValidTactics(int32_t* tactics, int32_t tactics_n) noexcept override;
  char const* getTimingCacheID() noexcept override { return identity_.c_str(); }
  char const* getMetadataString() noexcept override { return identity_.c_str(); }

  int32_t setTactic(int32_t tactic) noexcept override;
  int32_t onShapeChange(Static const* inputs, int32_t inputs_n, Static const* outputs,
                        int32_t outputs_n) noexcept override;
  int32_t enqueue(Static const* input_descs, Static const* output_descs, void const* const* inputs,
                  void* const* outputs, void* workspace, cudaStream_t stream) noexcept override;
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept override;
  nvinfer1::PluginFieldCollection const* getFieldsToSerialize() noexcept override;

 private:
  Attributes attributes_;
  std::string identity_;
  std::vector<int32_t> tactics_;  // of the shapes and types last configured
  int32_t tactic_ = 0;
  std::array<nvinfer1::PluginField, 6> fields_;
  nvinfer1::PluginFieldCollection collection_ = {};
};

}  // namespace vmamba

#endif
