// What only the device has: two approximate functions and the tensor cores. The tests' shim defines this guard and puts
// its own in their place.
#ifndef VMAMBA_CUDA_INTRINSICS_CUH
#define VMAMBA_CUDA_INTRINSICS_CUH

namespace ss2d {

// 2^x, relative error 2^-22; 0 below 2^-126.
__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// A pointer to device memory, whose making the compiler forgets: else it keeps the parts and adds them at every access.
template <typename T>
__device__ __forceinline__ T* whole(T* pointer) {
  size_t address = __cvta_generic_to_global(pointer);
  asm volatile("" : "+l"(address));
  return static_cast<T*>(__cvta_global_to_generic(address));
}

// 1/x, relative error 2^-23.
__device__ __forceinline__ float reciprocal_approx(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// c (16,8) += a (16,8) b (8,8): float16 in, float32 sums, all 32 lanes together. With row = lane / 4 and
// column = 2 (lane % 4): a0 = a[row][column..], a1 = a[row + 8][column..], b = b[column..][row], c = c[row][column..],
// c[row + 8][column..]. PTX ISA, "Matrix fragments for mma.m16n8k8".
__device__ __forceinline__ void mma_16x8x8(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t b) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a0), "r"(a1), "r"(b));
}

}  // namespace ss2d

#endif
