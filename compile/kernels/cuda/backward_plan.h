// The backward pass on the host: its workspace, and five launches that follow one another on the stream.
#ifndef VMAMBA_CUDA_BACKWARD_PLAN_H
#define VMAMBA_CUDA_BACKWARD_PLAN_H

#include "backward_kernel.cuh"
#include "gradients.cuh"
#include "launch.h"

namespace ss2d {

constexpr size_t kAlignment = 16;                        // of the workspace's parts; a workspace need not have it
constexpr int64_t kSlicePixels = 1024, kMaxSlices = 64;  // enough blocks for any GPU, few shares to add

inline int64_t lay_out_backward(Backward& g) {
  Problem& p = g.scan;
  const int64_t sums = int64_t{p.warps} * (p.states + 1) * kQuads * int64_t{sizeof(float2)};
  const int64_t bytes = lay_out(p, sizeof(Stage<kBackwardSteps>), false, false);
  g.sums_at = static_cast<int32_t>(std::min<int64_t>(bytes, INT32_MAX));
  return bytes + sums;
}

// Sizes, block shape and the workspace's parts, which start at `workspace`; returns the bytes of the workspace. Shared
// memory decides the warps by sizes alone: every GPU has what kUnknownDevice has.
inline size_t divide_workspace(const ss2d_params& params, float* workspace, Backward& g) {
  Problem& p = g.scan;
  const int64_t length = p.length, pixels = params.batch * length, routes = p.routes, channels = p.channels;
  p.groups = 1;
  p.tiles = static_cast<int32_t>(ceil_div(channels, kChannels));
  constexpr int kTile = 4 * kBackwardSteps;
  for (p.warps = static_cast<int>(std::min<int64_t>(kAnyWarps, ceil_div(length, kTile))); p.warps > 1; --p.warps)
    if (lay_out_backward(g) <= kUnknownDevice.shared_bytes) break;
  g.steps = static_cast<int32_t>(ceil_div(length, int64_t{p.warps} * kTile));
  g.slice_pixels = std::max(kSlicePixels, ceil_div(pixels, kMaxSlices));
  g.slices = static_cast<int32_t>(ceil_div(pixels, g.slice_pixels));
  size_t end = 0;
  const auto take = [&](int64_t floats) {
    float* part = workspace ? workspace + end : nullptr;
    end += static_cast<size_t>(ceil_div(floats, 4) * 4);
    return part;
  };
  g.starts = reinterpret_cast<float2*>(take(params.batch * int64_t{p.tiles} * g.steps * p.states * kChannels));
  g.gz = take(routes * pixels * channels);
  g.bc = take(p.tiles * routes * pixels * 2 * p.states);
  g.image_sums = take(params.batch * routes * (p.states + 1) * channels);
  g.slice_sums = take(g.slices * routes * channels * (p.rank + 1));
  return end * sizeof(float) + kAlignment;
}

inline Problem sizes_of(const ss2d_params& params) {
  Problem p = {};
  p.length = params.height * params.width;
  p.height = params.height;
  p.pitch = params.width | 1;
  p.channels = params.d_inner;
  p.states = params.d_state;
  p.rank = params.dt_rank;
  p.routes = params.routes_n;
  return p;
}

inline size_t backward_bytes(const ss2d_params& params) {
  Backward g = {};
  g.scan = sizes_of(params);
  return divide_workspace(params, nullptr, g);
}

inline ss2d_status backward(const ss2d_params& params, const ss2d_gradients& gradients, float* workspace,
                            cudaStream_t stream) {
  Backward g = {};
  g.scan = problem_of(params);
  set_scales(params, g.scan);
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(workspace) + kAlignment - 1) / kAlignment * kAlignment;
  divide_workspace(params, reinterpret_cast<float*>(begin), g);
  g.gy = map_of(gradients.y, gradients.y_strides, sizeof(float));
  g.gu = map_of(gradients.u, gradients.u_strides, sizeof(float));
  g.gx = map_of(gradients.x_dbl, gradients.x_dbl_strides, sizeof(float));
  g.dt_weight = gradients.dt_weight;
  g.dt_bias = gradients.dt_bias;
  g.A = gradients.A;
  g.D = gradients.D;
  const Problem& p = g.scan;
  const int64_t pixels = p.images * p.length, each = int64_t{p.rank} + p.states + 2,
                rows = int64_t{p.routes} * p.channels;
  if (pixels) {
    const bool fast = p.states == 1 && p.rank % 2 == 0 && p.channels % 2 == 0 && pairs(params.u, params.u_strides, 0) &&
                      pairs(params.x_dbl, params.x_dbl_strides, 0) && pairs(gradients.y, gradients.y_strides, 0) &&
                      pairs(gradients.u, gradients.u_strides, 0);
    const size_t bytes = static_cast<size_t>(lay_out_backward(g));
    const int64_t r_tiles = ceil_div(p.rank, kSquare), d_tiles = ceil_div(p.channels, kSquare);
    const auto kernel = fast ? backward_kernel<true> : backward_kernel<false>;
    ss2d_status status = launch(kernel, p.images * p.tiles, kWarp * p.warps, bytes, stream, g);
    if (status == SS2D_OK)
      status =
          launch(dt_kernel, ceil_div(pixels, kSquare) * r_tiles * p.routes, kSquareThreads, sizeof(Square), stream, g);
    if (status == SS2D_OK)
      status =
          launch(bc_kernel, ceil_div(p.routes * pixels * 2 * p.states, kSquareThreads), kSquareThreads, 0, stream, g);
    if (status == SS2D_OK)
      status = launch(weight_kernel, g.slices * ceil_div(int64_t{p.rank} + 1, kSquare) * d_tiles * p.routes,
                      kSquareThreads, sizeof(Square), stream, g);
    if (status != SS2D_OK) return status;
  }
  return launch(sum_kernel, ceil_div(rows * each, kSquareThreads), kSquareThreads, 0, stream, g);
}

}  // namespace ss2d

#endif
