// The runtime calls that the launches use. A launch runs all its blocks before it returns.
#ifndef SHIM_CUDA_RUNTIME_H
#define SHIM_CUDA_RUNTIME_H

#include <stddef.h>

#include <functional>

#include "device.h"

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorNoDevice = 100 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16, cudaDevAttrMaxSharedMemoryPerBlockOptin = 97 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
typedef struct CUstream_st* cudaStream_t;

cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value);
cudaError_t cudaGetLastError();

namespace shim {
cudaError_t run(const void* kernel, const std::function<void()>& thread, dim3 grid, dim3 block, size_t shared);
}

template <typename Arguments>
cudaError_t cudaLaunchKernel(void (*kernel)(Arguments), dim3 grid, dim3 block, void** arguments, size_t shared,
                             cudaStream_t) {
  const Arguments& copy = *static_cast<const Arguments*>(arguments[0]);
  return shim::run(reinterpret_cast<const void*>(kernel), [&] { kernel(copy); }, grid, block, shared);
}

#endif
