// Every kernel by name, for builds that look at the device's code alone; launch.cu holds the same ones.
#include <stdint.h>
#include <string.h>

#include "backward_kernel.cuh"
#include "forward.cuh"
#include "gradients.cuh"

namespace ss2d {

template __global__ void forward_kernel<float, true, false>(const Problem);
template __global__ void forward_kernel<float, false, false>(const Problem);
template __global__ void forward_kernel<__half, true, true>(const Problem);
template __global__ void forward_kernel<__half, true, false>(const Problem);
template __global__ void forward_kernel<__half, false, true>(const Problem);
template __global__ void forward_kernel<__half, false, false>(const Problem);
template __global__ void forward_kernel<int8_t, true, true>(const Problem);
template __global__ void forward_kernel<int8_t, true, false>(const Problem);
template __global__ void forward_kernel<int8_t, false, true>(const Problem);
template __global__ void forward_kernel<int8_t, false, false>(const Problem);
template __global__ void merge_kernel<true>(const Problem);
template __global__ void merge_kernel<false>(const Problem);
template __global__ void backward_kernel<true>(const Backward);
template __global__ void backward_kernel<false>(const Backward);

}  // namespace ss2d
