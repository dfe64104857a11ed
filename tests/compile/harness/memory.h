// Where a scan of the harness runs: on host pointers, where the kernels are built for the CPU, or on a CUDA device
// (HARNESS_CUDA), captured into a CUDA graph that is then launched twice, so that a run that allocates, waits or adds
// to its own earlier result does not go unnoticed.
#ifndef VMAMBA_TEST_MEMORY_H
#define VMAMBA_TEST_MEMORY_H

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "harness.h"

#ifdef HARNESS_CUDA
#include <cuda_runtime_api.h>
#endif

namespace harness {

constexpr int kY = 6, kTensors = 7;

inline size_t bytes_of(const harness_scan& scan, int position) {
  size_t bytes = scan.dtypes[position] == 0 ? 4 : scan.dtypes[position] == 1 ? 2 : 1;
  for (const int64_t size : scan.sizes[position]) bytes *= size ? static_cast<size_t>(size) : 1;
  return bytes;
}

#ifdef HARNESS_CUDA

// `launch(inputs, y, workspace, stream)` returns NULL or what went wrong.
template <typename Launch>
const char* run(const harness_scan& scan, size_t workspace_bytes, const Launch& launch) {
  void* memory[kTensors + 1] = {};
  const char* problem = nullptr;
  const auto require = [&](cudaError_t error) {
    if (error != cudaSuccess && !problem) problem = cudaGetErrorString(error);
    return error == cudaSuccess;
  };
  for (int i = 0; i < kTensors; ++i) {
    if (!require(cudaMalloc(&memory[i], bytes_of(scan, i)))) break;
    if (i < kY) require(cudaMemcpy(memory[i], scan.inputs[i], bytes_of(scan, i), cudaMemcpyHostToDevice));
  }
  require(cudaMalloc(&memory[kTensors], workspace_bytes ? workspace_bytes : 1));
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  if (!problem && require(cudaStreamCreate(&stream)) &&
      require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal))) {
    problem = launch(memory, memory[kY], memory[kTensors], stream);
    require(cudaStreamEndCapture(stream, &graph));
    if (!problem && require(cudaGraphInstantiate(&executable, graph, 0)))
      for (int i = 0; i < 2; ++i) require(cudaGraphLaunch(executable, stream));
    require(cudaStreamSynchronize(stream));
  }
  if (!problem) require(cudaMemcpy(scan.y, memory[kY], bytes_of(scan, kY), cudaMemcpyDeviceToHost));
  if (executable) cudaGraphExecDestroy(executable);
  if (graph) cudaGraphDestroy(graph);
  if (stream) cudaStreamDestroy(stream);
  for (void* block : memory) cudaFree(block);
  return problem;
}

#else

template <typename Launch>
const char* run(const harness_scan& scan, size_t workspace_bytes, const Launch& launch) {
  constexpr size_t kGuard = 4096;
  constexpr char kMark = 0x55;
  std::vector<char> workspace(workspace_bytes + kGuard, kMark);
  const char* problem = launch(const_cast<void* const*>(scan.inputs), scan.y, workspace.data(), nullptr);
  for (size_t i = workspace_bytes; i < workspace.size(); ++i)
    if (workspace[i] != kMark) return "it wrote behind its workspace";
  return problem;
}

#endif

}  // namespace harness

#endif
