// One launch: which kernel, on which grid, with how much shared memory. Uses the runtime, and waits for nothing.
#ifndef VMAMBA_CUDA_LAUNCH_H
#define VMAMBA_CUDA_LAUNCH_H

#include <cuda_runtime.h>

#include "plan.h"

namespace ss2d {

constexpr size_t kPlainShared = 48 * 1024;  // a kernel gets more only after it was asked for

inline Device this_device() {
  int index = 0;
  Device device = {};
  if (cudaGetDevice(&index) == cudaSuccess &&
      cudaDeviceGetAttribute(&device.processors, cudaDevAttrMultiProcessorCount, index) == cudaSuccess &&
      cudaDeviceGetAttribute(&device.shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, index) == cudaSuccess)
    return device;
  cudaGetLastError();  // a machine that only builds has no device: sizes can be asked for all the same
  return kUnknownDevice;
}

template <typename Arguments>
ss2d_status launch(void (*kernel)(Arguments), int64_t blocks, int threads, size_t shared, cudaStream_t stream,
                   const Arguments& arguments) {
  if (blocks > kMaxBlocks) return SS2D_BAD_SIZE;
  // The attribute is the kernel's, not the call's: all threads write the same value, the device's most, so none takes
  // away what another is about to launch with.
  if (shared > kPlainShared &&
      cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                           this_device().shared_bytes) != cudaSuccess)
    return SS2D_LAUNCH_FAILED;
  Arguments copy = arguments;
  void* list[] = {&copy};
  const dim3 grid(static_cast<unsigned>(blocks)), block(static_cast<unsigned>(threads));
  return cudaLaunchKernel(kernel, grid, block, list, shared, stream) == cudaSuccess ? SS2D_OK : SS2D_LAUNCH_FAILED;
}

// Lays out a block's shared memory; returns its bytes.
inline int64_t lay_out(Problem& problem, int stage_bytes, bool fragments, bool strip) {
  const int64_t warps = problem.warps * problem.groups, quads = problem.groups * kQuads;
  int64_t end = 0;
  const auto take = [&](int64_t bytes) {
    const int64_t begin = end;
    end += ceil_div(bytes, 16) * 16;
    return static_cast<int32_t>(std::min<int64_t>(begin, INT32_MAX));
  };
  problem.stage_bytes = stage_bytes;
  problem.stage_at = take(warps * stage_bytes);
  problem.share_at =
      take(2 * warps * kQuads * int64_t{sizeof(float4)} * 2);  // the backward pass exchanges twice as much
  problem.carry_at = take(2 * quads * int64_t{sizeof(float2)} * problem.states);
  problem.weights_at =
      take(fragments ? int64_t{problem.rank_steps} * kWarp * int64_t{sizeof(Fragment)} * problem.groups : 0);
  // Odd, as the pitch is: the four lanes of a quad meet different banks on every route.
  problem.strip_row = problem.groups * kChannels + 1;
  const int64_t cells = int64_t{problem.height} * problem.pitch;
  problem.strip_at = take(strip ? cells * problem.strip_row * int64_t{sizeof(float)} : 0);
  return end;
}

}  // namespace ss2d

#endif
