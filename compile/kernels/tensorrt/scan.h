// SelectiveScan2D as the plugin sees it, without TensorRT: attributes, types and shapes -> ss2d_params.
//
//   attributes + 7 tensors (six inputs, y) --params_from_tensors--> ss2d_params --> workspace, tactics, launch
//
// A function that can fail returns one line that says why, or nullptr. Nothing here needs TensorRT or CUDA to compile.
#ifndef VMAMBA_TENSORRT_SCAN_H
#define VMAMBA_TENSORRT_SCAN_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../selective_scan.h"

namespace vmamba {

enum Position { kU, kXDbl, kDtWeight, kDtBias, kA, kD, kY };
constexpr int kInputs = kY, kTensors = kInputs + 1;
constexpr int kRanks[kTensors] = {4, 4, 3, 2, 3, 2, 4};
constexpr int kMaxRank = 4;
constexpr int32_t kOtherDtype = -1;

struct Tensor {
  int32_t dtype = kOtherDtype;  // ss2d_dtype
  int32_t rank = 0;
  int64_t size[kMaxRank] = {};
};

struct Attributes {
  std::vector<int32_t> routes;
  std::string layout = "last";
  float u_scale = 0, x_dbl_scale = 0, y_scale = 0;  // 0: never int8
};

const char* check_attributes(const Attributes& attributes);

// Whether the tensor at `position` may have its type, given those before it. TensorRT shows no scale of a plugin's
// int8 tensors, so a map without one in the attributes cannot be int8.
bool supports(const Attributes& attributes, int position, const int32_t* dtypes);

// What y is where the types are the network's: int8 where it has a scale, else float16, after int8 maps.
int32_t y_dtype_from_u(const Attributes& attributes, int32_t u_dtype);

// Everything of ss2d_params but the pointers to data. `routes` points into the attributes.
const char* params_from_tensors(const Attributes& attributes, const Tensor* tensors, int32_t tactic,
                                ss2d_params* params);

// The bytes that any tactic needs: the builder asks before it has chosen one, and tactic 0 may stand for any.
const char* workspace_from_params(ss2d_params params, size_t* bytes);

// The tactics that can run both the smallest and the largest shape.
std::vector<int32_t> tactics_from_params(ss2d_params smallest, ss2d_params largest);

// What a timing depends on besides shapes and types: the attributes and the kernels' sources.
std::string identity_from_attributes(const Attributes& attributes, const std::string& sources);

}  // namespace vmamba

#endif
