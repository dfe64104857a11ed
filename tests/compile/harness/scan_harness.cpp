// The harness on the plugin's code without TensorRT: scan.cpp and the kernels are linked in.
#include <initializer_list>

#include "compile/kernels/tensorrt/scan.h"
#include "memory.h"

namespace {

using namespace vmamba;

Attributes attributes_from_scan(const harness_scan& scan) {
  return {{scan.routes, scan.routes + scan.routes_n}, scan.layout, scan.u_scale, scan.x_dbl_scale, scan.y_scale};
}

const char* params_from_scan(const Attributes& attributes, const harness_scan& scan, ss2d_params* params) {
  Tensor tensors[kTensors];
  for (int i = 0; i < kTensors; ++i) {
    tensors[i].dtype = scan.dtypes[i];
    tensors[i].rank = kRanks[i];
    for (int axis = 0; axis < kRanks[i]; ++axis) tensors[i].size[axis] = scan.sizes[i][axis];
  }
  if (const char* problem = check_attributes(attributes)) return problem;
  return params_from_tensors(attributes, tensors, scan.tactic, params);
}

}  // namespace

const char* harness_open(const char*) { return nullptr; }

int32_t harness_supports(const harness_scan* scan) {
  const Attributes attributes = attributes_from_scan(*scan);
  for (int i = 0; i < kTensors; ++i)
    if (!supports(attributes, i, scan->dtypes)) return 0;
  return 1;
}

int32_t harness_tactics(const harness_scan* scan) {
  const Attributes attributes = attributes_from_scan(*scan);
  ss2d_params p;
  if (params_from_scan(attributes, *scan, &p)) return 0;
  return static_cast<int32_t>(tactics_from_params(p, p).size());
}

const char* harness_forward(const harness_scan* scan) {
  const Attributes attributes = attributes_from_scan(*scan);
  ss2d_params p;
  size_t bytes = 0;
  if (const char* problem = params_from_scan(attributes, *scan, &p)) return problem;
  if (const char* problem = workspace_from_params(p, &bytes)) return problem;
  return harness::run(*scan, bytes, [&](void* const* inputs, void* y, void* workspace, void* stream) -> const char* {
    p.u = inputs[kU], p.x_dbl = inputs[kXDbl], p.y = y;
    p.dt_weight = static_cast<const float*>(inputs[kDtWeight]), p.dt_bias = static_cast<const float*>(inputs[kDtBias]);
    p.A = static_cast<const float*>(inputs[kA]), p.D = static_cast<const float*>(inputs[kD]);
    const ss2d_status status = ss2d_cuda_forward(&p, workspace, bytes, stream);
    return status == SS2D_OK ? nullptr : ss2d_text_from_status(status);
  });
}

const char* harness_check(const harness_scan* scan) {
  const Attributes attributes = attributes_from_scan(*scan);
  ss2d_params p;
  size_t bytes = 0;
  if (const char* problem = params_from_scan(attributes, *scan, &p)) return problem;
  if (const char* problem = workspace_from_params(p, &bytes)) return problem;
  const auto tactics = tactics_from_params(p, p);
  if (tactics.empty()) return "no tactic fits";
  for (p.tactic = 0; p.tactic <= ss2d_cuda_tactics(); ++p.tactic) {
    ss2d_bytes needed;
    if (ss2d_cuda_bytes_from_params(&p, &needed) == SS2D_OK && needed.forward > bytes)
      return "a tactic needs more workspace than was asked for";
  }
  const std::string identity = identity_from_attributes(attributes, "x");
  Attributes other = attributes;
  other.y_scale += 0.125f;
  if (identity_from_attributes(other, "x") == identity) return "another scale, the same identity";
  if (identity_from_attributes(attributes, "y") == identity) return "other sources, the same identity";
  return harness_forward(scan);
}
