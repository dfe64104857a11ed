// Before a launch, on the host: arguments checked, tactics listed, the kernels' Problem filled in. No CUDA calls.
#ifndef VMAMBA_CUDA_PLAN_H
#define VMAMBA_CUDA_PLAN_H

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <initializer_list>

#include "../selective_scan.h"
#include "project.cuh"

namespace ss2d {

// What the choice of a shape depends on.
struct Device {
  int processors, shared_bytes;  // of the GPU; at most, of a block
};
constexpr Device kUnknownDevice = {16, 99 * 1024};  // where there is none to ask: the least shared memory from sm_80 on

// `split`: a block a route. `shared`: the strip in shared memory, where it fits. Warps along the tokens, groups along
// the channels.
struct Shape {
  bool split, shared;
  int warps, groups;
};
constexpr Shape kTactics[] = {
    {false, true, 4, 1},  {false, true, 8, 1}, {false, true, 16, 1}, {false, true, 2, 4},
    {false, true, 4, 2},  {false, true, 7, 2}, {false, false, 4, 1}, {false, false, 8, 1},
    {false, false, 2, 4}, {true, false, 4, 1}, {true, false, 8, 1},  {true, false, 2, 4},
};
constexpr int kTacticCount = sizeof kTactics / sizeof *kTactics;
constexpr int64_t kMaxElements = int64_t{1} << 40;      // as on a CPU; keeps products below 2^63
constexpr int64_t kMaxLength = int64_t{1} << 30;        // tokens are counted in 32 bits
constexpr int64_t kMaxStride = (int64_t{1} << 31) - 1;  // bytes
constexpr int kMaxStates = 512;                         // their carries lie in shared memory
constexpr int64_t kMaxBlocks = (int64_t{1} << 31) - 1;

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline bool product_fits(std::initializer_list<int64_t> sizes, int64_t limit) {
  double product = 1;
  for (const int64_t size : sizes) product *= static_cast<double>(size);
  return product <= static_cast<double>(limit);
}

inline int64_t size_of(int32_t dtype) { return dtype == SS2D_FLOAT32 ? 4 : dtype == SS2D_FLOAT16 ? 2 : 1; }

inline Divider divider_of(uint32_t divisor) {
  uint32_t shift = 0;
  while (shift < 32 && (uint64_t{1} << shift) < divisor) ++shift;
  const uint64_t multiplier = ((uint64_t{1} << 32) * ((uint64_t{1} << shift) - divisor)) / divisor + 1;
  return {static_cast<uint32_t>(multiplier), shift};
}

inline ss2d_status check_sizes(const ss2d_params* p) {
  if (!p) return SS2D_NULL_POINTER;
  if (p->abi != SS2D_ABI) return SS2D_WRONG_ABI;
  if (p->u_dtype != p->x_dbl_dtype) return SS2D_UNSUPPORTED_DTYPE;
  const bool eight = p->u_dtype == SS2D_INT8 && (p->y_dtype == SS2D_FLOAT16 || p->y_dtype == SS2D_INT8);
  const bool same = p->u_dtype == p->y_dtype && (p->u_dtype == SS2D_FLOAT32 || p->u_dtype == SS2D_FLOAT16);
  if (!eight && !same) return SS2D_UNSUPPORTED_DTYPE;
  if (p->batch < 0 || p->tactic < 0 || p->tactic > kTacticCount) return SS2D_BAD_SIZE;
  for (const int32_t size : {p->height, p->width, p->d_inner, p->d_state, p->dt_rank, p->routes_n})
    if (size < 1) return SS2D_BAD_SIZE;
  const int64_t images = int64_t{p->batch} + 1, d = p->d_inner, n = p->d_state, per_pixel = 2 * n + p->dt_rank;
  if (p->routes_n > kMaxRoutes || n > kMaxStates || !product_fits({p->height, p->width}, kMaxLength) ||
      !product_fits({images, p->height, p->width, d + 32, 4 * n + 4, p->routes_n}, kMaxElements) ||
      !product_fits({images, p->height, p->width, p->routes_n, per_pixel}, kMaxElements) ||
      !product_fits({p->routes_n, d + 32, per_pixel + 2, 64}, kMaxElements) ||
      !product_fits({images, ceil_div(d, kChannels), p->routes_n}, kMaxBlocks))
    return SS2D_BAD_SIZE;
  return SS2D_OK;
}

inline bool is_scale(int32_t dtype, float scale) { return dtype != SS2D_INT8 || (scale > 0 && std::isfinite(scale)); }

inline bool strides_fit(const ss2d_strides& strides, int64_t element) {
  const int64_t most = kMaxStride / element;
  return std::abs(strides.pixel) <= most && std::abs(strides.channel) <= most &&
         std::abs(strides.batch) <= kMaxElements;
}

inline ss2d_status check_launch(const ss2d_params& p, const void* workspace, size_t bytes, size_t needed) {
  if (!p.routes || (p.batch && (!p.u || !p.x_dbl))) return SS2D_NULL_POINTER;
  if (!p.dt_weight || !p.dt_bias || !p.A || !p.D) return SS2D_NULL_POINTER;
  for (int32_t k = 0; k < p.routes_n; ++k)
    if (p.routes[k] < 0 || p.routes[k] > 3) return SS2D_BAD_ROUTE;
  if (!strides_fit(p.u_strides, size_of(p.u_dtype)) || !strides_fit(p.x_dbl_strides, size_of(p.x_dbl_dtype)))
    return SS2D_BAD_SIZE;
  if (!is_scale(p.u_dtype, p.u_scale) || !is_scale(p.x_dbl_dtype, p.x_dbl_scale)) return SS2D_BAD_SCALE;
  if (bytes < needed) return SS2D_WORKSPACE_TOO_SMALL;
  return needed && !workspace ? SS2D_NULL_POINTER : SS2D_OK;
}

// Whether two neighbouring channels can be read and written at once.
inline bool pairs(const void* data, const ss2d_strides& strides, int32_t dtype) {
  return strides.channel == 1 && strides.pixel % 2 == 0 && strides.batch % 2 == 0 &&
         reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(2 * size_of(dtype)) == 0;
}

inline Map map_of(const void* data, const ss2d_strides& strides, int64_t element) {
  return {const_cast<void*>(data), strides.batch * element, static_cast<int32_t>(strides.pixel * element),
          static_cast<int32_t>(strides.channel * element)};
}

// The fields that forward and backward share; scales and shape are the caller's.
inline Problem problem_of(const ss2d_params& p) {
  Problem problem = {};
  problem.u = map_of(p.u, p.u_strides, size_of(p.u_dtype));
  problem.x = map_of(p.x_dbl, p.x_dbl_strides, size_of(p.x_dbl_dtype));
  problem.dt_weight = p.dt_weight;
  problem.dt_bias = p.dt_bias;
  problem.A = p.A;
  problem.D = p.D;
  problem.images = p.batch;
  problem.height = p.height;
  problem.width = p.width;
  problem.length = p.height * p.width;
  problem.channels = p.d_inner;
  problem.states = p.d_state;
  problem.rank = p.dt_rank;
  problem.routes = p.routes_n;
  problem.y_dtype = p.y_dtype;
  problem.pitch = p.width | 1;
  problem.by_height = divider_of(p.height);
  problem.by_width = divider_of(p.width);
  problem.by_length = divider_of(problem.length);
  problem.by_pairs = divider_of((p.d_inner + 1) / 2);
  for (int32_t k = 0; k < p.routes_n; ++k) problem.route_bits[k / 16] |= uint32_t(p.routes[k]) << (2 * (k % 16));
  return problem;
}

inline void set_scales(const ss2d_params& p, Problem& problem) {
  const float x = p.x_dbl_dtype == SS2D_INT8 ? p.x_dbl_scale : 1.0f, u = p.u_dtype == SS2D_INT8 ? p.u_scale : 1.0f;
  const int exponent = std::max(-14, std::min(5, std::ilogb(x)));  // float16 holds -1152 times it and 1 times it
  problem.dt_scale = x * kLog2E;
  problem.dt_power = std::ldexp(1.0f, exponent);
  problem.dt_rest = x / problem.dt_power;
  problem.drive_scale = kLn2 * x * u;
  problem.out_scale = x;
  problem.skip_scale = u;
  problem.y_inverse = p.y_dtype == SS2D_INT8 ? 1.0f / p.y_scale : 1.0f;
}

}  // namespace ss2d

#endif
