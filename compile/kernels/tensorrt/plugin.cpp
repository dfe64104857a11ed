#include "plugin.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "log.h"

namespace vmamba {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::PluginCapabilityType;
using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

constexpr int32_t kDone = 0, kFailed = 1;

// TensorRT's codes: whatever is not 0 ends the build or the run.
int32_t code_from_problem(const char* problem) noexcept {
  if (!problem) return kDone;
  log_error(problem);
  return kFailed;
}

// Runs `work` and turns what it throws into a logged code: no exception may cross TensorRT's interface.
template <typename Work>
int32_t guarded(const Work& work) noexcept {
  try {
    return code_from_problem(work());
  } catch (const std::exception& error) {
    return code_from_problem(error.what());
  }
}

int32_t dtype_from_type(DataType type) {
  switch (type) {
    case DataType::kFLOAT:
      return SS2D_FLOAT32;
    case DataType::kHALF:
      return SS2D_FLOAT16;
    case DataType::kINT8:
      return SS2D_INT8;
    default:
      return kOtherDtype;
  }
}

DataType type_from_dtype(int32_t dtype) {
  constexpr DataType kTypes[] = {DataType::kFLOAT, DataType::kHALF, DataType::kINT8};
  static_assert(SS2D_FLOAT32 == 0 && SS2D_FLOAT16 == 1 && SS2D_INT8 == 2, "");
  return kTypes[dtype];
}

Tensor tensor_from_dims(DataType type, const Dims& dims) {
  Tensor tensor;
  tensor.dtype = dtype_from_type(type);
  tensor.rank = dims.nbDims;
  std::copy_n(dims.d, std::clamp(dims.nbDims, 0, kMaxRank), tensor.size);
  return tensor;
}

Tensor smallest(const Dynamic& dynamic) { return tensor_from_dims(dynamic.desc.type, dynamic.min); }

// At run time TensorRT may ask again with the sizes in desc alone.
Tensor largest(const Dynamic& dynamic) {
  Tensor tensor = tensor_from_dims(dynamic.desc.type, dynamic.max);
  const Tensor now = tensor_from_dims(dynamic.desc.type, dynamic.desc.dims);
  if (tensor.rank < now.rank) return now;
  for (int i = 0; i < kMaxRank; ++i) tensor.size[i] = std::max(tensor.size[i], now.size[i]);
  return tensor;
}

Tensor now(const Static& desc) { return tensor_from_dims(desc.type, desc.dims); }

template <typename Desc>
const char* params_from_descs(const Attributes& attributes, const Desc* inputs, const Desc* outputs,
                              Tensor (*size)(const Desc&), int32_t tactic, ss2d_params* params) {
  Tensor tensors[kTensors];
  for (int i = 0; i < kInputs; ++i) tensors[i] = size(inputs[i]);
  tensors[kY] = size(outputs[0]);
  return params_from_tensors(attributes, tensors, tactic, params);
}

const char* check_counts(int32_t inputs_n, int32_t outputs_n) {
  return inputs_n == kInputs && outputs_n == 1 ? nullptr : "it takes six inputs and gives one output";
}

}  // namespace

Plugin::Plugin(Attributes attributes)
    : attributes_(std::move(attributes)), identity_(identity_from_attributes(attributes_, kDigest)) {}

nvinfer1::IPluginCapability* Plugin::getCapabilityInterface(PluginCapabilityType type) noexcept {
  switch (type) {
    case PluginCapabilityType::kCORE:
      return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    case PluginCapabilityType::kBUILD:
      return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
    case PluginCapabilityType::kRUNTIME:
      return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
  }
  return nullptr;
}

nvinfer1::IPluginV3* Plugin::clone() noexcept {
  Plugin* copy = nullptr;
  guarded([&]() -> const char* {
    copy = new Plugin(attributes_);
    copy->tactics_ = tactics_;
    copy->tactic_ = tactic_;
    return nullptr;
  });
  return copy;
}

int32_t Plugin::getOutputDataTypes(DataType* outputs, int32_t outputs_n, DataType const* inputs,
                                   int32_t inputs_n) const noexcept {
  if (const char* problem = check_counts(inputs_n, outputs_n)) return code_from_problem(problem);
  const int32_t u = dtype_from_type(inputs[kU]);
  if (u == kOtherDtype) return code_from_problem("u must be FP32, FP16 or INT8");
  outputs[0] = type_from_dtype(y_dtype_from_u(attributes_, u));
  return kDone;
}

int32_t Plugin::getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t inputs_n, nvinfer1::DimsExprs const*,
                                int32_t, nvinfer1::DimsExprs* outputs, int32_t outputs_n,
                                nvinfer1::IExprBuilder&) noexcept {
  if (const char* problem = check_counts(inputs_n, outputs_n)) return code_from_problem(problem);
  outputs[0] = inputs[kU];
  return kDone;
}

bool Plugin::supportsFormatCombination(int32_t position, Dynamic const* tensors, int32_t inputs_n,
                                       int32_t outputs_n) noexcept {
  if (check_counts(inputs_n, outputs_n) || position < 0 || position >= kTensors) return false;
  int32_t dtypes[kTensors];
  for (int i = 0; i <= position; ++i) dtypes[i] = dtype_from_type(tensors[i].desc.type);
  return tensors[position].desc.format == nvinfer1::TensorFormat::kLINEAR && supports(attributes_, position, dtypes);
}

int32_t Plugin::configurePlugin(Dynamic const* inputs, int32_t inputs_n, Dynamic const* outputs,
                                int32_t outputs_n) noexcept {
  return guarded([&]() -> const char* {
    if (const char* problem = check_counts(inputs_n, outputs_n)) return problem;
    ss2d_params low, high;
    if (const char* problem = params_from_descs(attributes_, inputs, outputs, smallest, 0, &low)) return problem;
    if (const char* problem = params_from_descs(attributes_, inputs, outputs, largest, 0, &high)) return problem;
    tactics_ = tactics_from_params(low, high);
    return nullptr;
  });
}

size_t Plugin::getWorkspaceSize(Dynamic const* inputs, int32_t inputs_n, Dynamic const* outputs,
                                int32_t outputs_n) const noexcept {
  size_t bytes = 0;
  guarded([&]() -> const char* {
    if (const char* problem = check_counts(inputs_n, outputs_n)) return problem;
    ss2d_params params;
    if (const char* problem = params_from_descs(attributes_, inputs, outputs, largest, 0, &params)) return problem;
    return workspace_from_params(params, &bytes);
  });
  return bytes;
}

int32_t Plugin::getValidTactics(int32_t* tactics, int32_t tactics_n) noexcept {
  if (tactics_n != getNbTactics()) return code_from_problem("the number of tactics is not the one it gave");
  std::copy(tactics_.begin(), tactics_.end(), tactics);
  return kDone;
}

int32_t Plugin::setTactic(int32_t tactic) noexcept {
  if (tactic < 0 || tactic > ss2d_cuda_tactics()) return code_from_problem("this library has no such tactic");
  tactic_ = tactic;
  return kDone;
}

int32_t Plugin::onShapeChange(Static const* inputs, int32_t inputs_n, Static const* outputs,
                              int32_t outputs_n) noexcept {
  if (const char* problem = check_counts(inputs_n, outputs_n)) return code_from_problem(problem);
  ss2d_params params;
  return code_from_problem(params_from_descs(attributes_, inputs, outputs, now, tactic_, &params));
}

int32_t Plugin::enqueue(Static const* input_descs, Static const* output_descs, void const* const* inputs,
                        void* const* outputs, void* workspace, cudaStream_t stream) noexcept {
  ss2d_params p;
  if (const char* problem = params_from_descs(attributes_, input_descs, output_descs, now, tactic_, &p))
    return code_from_problem(problem);
  p.u = inputs[kU];
  p.x_dbl = inputs[kXDbl];
  p.y = outputs[0];
  p.dt_weight = static_cast<const float*>(inputs[kDtWeight]);
  p.dt_bias = static_cast<const float*>(inputs[kDtBias]);
  p.A = static_cast<const float*>(inputs[kA]);
  p.D = static_cast<const float*>(inputs[kD]);
  ss2d_bytes bytes;
  ss2d_status status = ss2d_cuda_bytes_from_params(&p, &bytes);
  if (status == SS2D_OK) status = ss2d_cuda_forward(&p, workspace, bytes.forward, stream);
  return code_from_problem(status == SS2D_OK ? nullptr : ss2d_text_from_status(status));
}

nvinfer1::IPluginV3* Plugin::attachToContext(nvinfer1::IPluginResourceContext*) noexcept { return clone(); }

nvinfer1::PluginFieldCollection const* Plugin::getFieldsToSerialize() noexcept {
  const Attributes& a = attributes_;
  fields_ = {PluginField(kRoutes, a.routes.data(), PluginFieldType::kINT32, static_cast<int32_t>(a.routes.size())),
             PluginField(kLayout, a.layout.c_str(), PluginFieldType::kCHAR, static_cast<int32_t>(a.layout.size())),
             PluginField(kUScale, &a.u_scale, PluginFieldType::kFLOAT32, 1),
             PluginField(kXDblScale, &a.x_dbl_scale, PluginFieldType::kFLOAT32, 1),
             PluginField(kYScale, &a.y_scale, PluginFieldType::kFLOAT32, 1),
             PluginField(kSources, kDigest, PluginFieldType::kCHAR, sizeof kDigest - 1)};
  collection_ = {static_cast<int32_t>(fields_.size()), fields_.data()};
  return &collection_;
}

}  // namespace vmamba
