// The forward pass on the host: shape and workspace from the sizes, then one or two launches.
#ifndef VMAMBA_CUDA_FORWARD_PLAN_H
#define VMAMBA_CUDA_FORWARD_PLAN_H

#include "forward.cuh"
#include "launch.h"

namespace ss2d {

constexpr int kStageDt = int{sizeof(Stage<kForwardSteps>::dt)};  // last in Stage, and left out where nobody writes it
constexpr int kStageAll = int{sizeof(Stage<kForwardSteps>)}, kStageFast = kStageAll - kStageDt;
constexpr int kTileTokens = 4 * kForwardSteps;

// The shape for these sizes; every field but the warps is the same whatever the pointers' alignment.
inline Shape shape_from(const ss2d_params& p, const Device& device) {
  const int64_t length = int64_t{p.height} * p.width, tiles = ceil_div(p.d_inner, kChannels),
                chunks = ceil_div(length, kTileTokens);
  Shape shape = {};
  if (p.tactic) {
    shape = kTactics[p.tactic - 1];
  } else {
    shape.shared = true;
    shape.warps = static_cast<int>(std::min<int64_t>(chunks, 8));
    for (int warps = shape.warps - 1; warps >= 4; --warps)  // the fewest idle ones in the last step
      if (ceil_div(chunks, warps) * warps < ceil_div(chunks, shape.warps) * shape.warps) shape.warps = warps;
    shape.groups = static_cast<int>(std::min<int64_t>(tiles, shape.warps <= 2 ? 4 / shape.warps : 1));
    const int64_t warps = p.batch * tiles * shape.warps;
    shape.split = p.routes_n > 1 && warps < 8 * int64_t{device.processors};  // less than two a scheduler
  }
  const int64_t pairs = (p.d_inner + 1) / 2;
  if (p.routes_n == 1 || !product_fits({p.batch, length, pairs}, INT32_MAX)) shape.split = false;
  Problem problem = {};
  problem.height = p.height;
  problem.pitch = p.width | 1;
  problem.states = p.d_state;
  problem.warps = 1;  // it can always have more strip for fewer warps
  problem.groups = shape.groups;
  const auto fits = [&] { return lay_out(problem, kStageAll, false, true) <= device.shared_bytes; };
  shape.shared = shape.shared && !shape.split && p.y_dtype != SS2D_FLOAT32;
  while (shape.shared && !fits() && problem.groups > 1) --problem.groups;
  shape.shared = shape.shared && fits();
  if (shape.shared) shape.groups = problem.groups;
  return shape;
}

inline int64_t forward_bytes(const ss2d_params& p, const Shape& shape) {
  const int64_t strip = int64_t{p.batch} * p.height * p.width * p.d_inner * int64_t{sizeof(float)};
  if (shape.split) return strip * p.routes_n;
  return p.y_dtype == SS2D_FLOAT32 || shape.shared ? 0 : strip;
}

template <typename T>
ss2d_status launch_route_kernel(const Problem& problem, bool fast, bool shared, int64_t blocks, size_t bytes,
                                cudaStream_t stream) {
  const int threads = kWarp * problem.warps * problem.groups;
  if constexpr (!IsFloat<T>::value) {
    if (shared)
      return launch(fast ? forward_kernel<T, true, true> : forward_kernel<T, false, true>, blocks, threads, bytes,
                    stream, problem);
  }
  return launch(fast ? forward_kernel<T, true, false> : forward_kernel<T, false, false>, blocks, threads, bytes, stream,
                problem);
}

// The most warps, up to the shape's, whose shared memory fits. Returns its bytes, or more than there are.
inline int64_t fit_warps(Problem& problem, const Shape& shape, bool fast, bool tensor, const Device& device) {
  const int most = fast ? kMaxWarps : kAnyWarps;
  problem.groups = std::min(shape.groups, most);
  problem.warps = std::max(1, std::min(shape.warps, most / problem.groups));
  while (true) {
    const int64_t bytes = lay_out(problem, tensor ? kStageFast : kStageAll, tensor, shape.shared);
    if (bytes <= device.shared_bytes || problem.warps == 1) return bytes;
    --problem.warps;
  }
}

inline bool forward_is_fast(const ss2d_params& p) {
  return p.d_state == 1 && p.dt_rank % 2 == 0 && p.d_inner % 2 == 0 && pairs(p.u, p.u_strides, p.u_dtype) &&
         pairs(p.x_dbl, p.x_dbl_strides, p.x_dbl_dtype) && pairs(p.y, p.y_strides, p.y_dtype);
}

inline ss2d_status forward(const ss2d_params& p, const Shape& shape, const Device& device, float* workspace,
                           cudaStream_t stream) {
  const int64_t length = int64_t{p.height} * p.width, row = p.d_inner;
  Problem problem = problem_of(p);
  set_scales(p, problem);
  problem.y = map_of(p.y, p.y_strides, size_of(p.y_dtype));
  problem.split = shape.split;
  problem.rank_steps = static_cast<int32_t>(ceil_div(p.dt_rank, kRankStep));
  const bool own = p.y_dtype == SS2D_FLOAT32 && !shape.split;
  problem.strip = own ? problem.y : map_of(workspace, {length * row, row, 1}, sizeof(float));
  problem.strip_route = shape.split ? p.batch * problem.strip.batch : 0;
  bool fast = forward_is_fast(p) && reinterpret_cast<uintptr_t>(workspace) % 8 == 0;
  int64_t bytes = fit_warps(problem, shape, fast, fast && p.u_dtype != SS2D_FLOAT32, device);
  if (fast && bytes > device.shared_bytes) fast = false, bytes = fit_warps(problem, shape, false, false, device);
  if (bytes > device.shared_bytes) return SS2D_BAD_SIZE;
  problem.tiles = static_cast<int32_t>(ceil_div(p.d_inner, int64_t{problem.groups} * kChannels));
  const int64_t blocks = p.batch * int64_t{problem.tiles} * (shape.split ? p.routes_n : 1);
  const auto route_kernel = p.u_dtype == SS2D_FLOAT32   ? launch_route_kernel<float>
                            : p.u_dtype == SS2D_FLOAT16 ? launch_route_kernel<__half>
                                                        : launch_route_kernel<int8_t>;
  const ss2d_status status = route_kernel(problem, fast, shape.shared, blocks, bytes, stream);
  if (status != SS2D_OK || !shape.split) return status;
  constexpr int kThreads = 256;
  const int64_t items = p.batch * length * ((row + 1) / 2);
  return launch(fast ? merge_kernel<true> : merge_kernel<false>, ceil_div(items, kThreads), kThreads, 0, stream,
                problem);
}

}  // namespace ss2d

#endif
