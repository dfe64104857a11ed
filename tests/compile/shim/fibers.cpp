// The shim's GPU: a block's threads as fibers that take turns at every exchange, in the order of their numbers or
// against it. Running both orders shows a missing barrier: what one order happens to get right, the other reads too
// early.
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include <map>
#include <memory>
#include <vector>

#include "cuda_fp16.h"
#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, bytes) ((void)(begin), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(begin, bytes) ((void)(begin), (void)(bytes))
#endif

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

constexpr size_t kSharedBytes = 228 * 1024, kStackBytes = 64 * 1024;
constexpr unsigned kMaxThreads = 1024;

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  shim::Wait waits;
  bool done;
  unsigned exchanges;
  unsigned char slots[2][shim::kSlotBytes];
};

struct Gpu {
  int processors = 8, shared_bytes = 163 * 1024;  // Orin
  bool reversed = false, absent = false;
  std::vector<Fiber> fibers = std::vector<Fiber>(kMaxThreads);
  std::map<const void*, int> limits;  // kernels that asked for more shared memory
  ucontext_t scheduler;
  unsigned current = 0;
  const std::function<void()>* thread = nullptr;
};

Gpu& gpu() {
  static Gpu instance;
  return instance;
}

[[noreturn]] void fail(const char* what) {
  fprintf(stderr, "shim: %s (block %u, thread %u)\n", what, blockIdx.x, threadIdx.x);
  abort();
}

void enter() {
  Gpu& g = gpu();
  (*g.thread)();
  g.fibers[g.current].done = true;
  swapcontext(&g.fibers[g.current].context, &g.scheduler);
}

void resume(unsigned index) {
  Gpu& g = gpu();
  g.current = index;
  threadIdx = dim3(index, 0, 0);
  swapcontext(&g.scheduler, &g.fibers[index].context);
}

// Lets fibers begin .. end - 1 go on if all that still run wait for the same; `block`: whether that is the block's
// barrier.
bool release(unsigned begin, unsigned end, bool block) {
  Gpu& g = gpu();
  shim::Wait what = shim::Wait::kNothing;
  for (unsigned i = begin; i < end; ++i) {
    const Fiber& fiber = g.fibers[i];
    if (fiber.done) continue;
    if ((fiber.waits == shim::Wait::kBlock) != block || fiber.waits == shim::Wait::kNothing) return false;
    if (what != shim::Wait::kNothing && fiber.waits != what) fail("lanes of a warp wait for different things");
    what = fiber.waits;
  }
  for (unsigned i = begin; i < end; ++i) g.fibers[i].waits = shim::Wait::kNothing;
  return what != shim::Wait::kNothing;
}

void run_block(unsigned threads) {
  Gpu& g = gpu();
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& fiber = g.fibers[i];
    fiber.waits = shim::Wait::kNothing;
    fiber.done = false;
    fiber.exchanges = 0;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, enter, 0);
  }
  for (bool progress = true; progress;) {
    progress = false;
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned index = g.reversed ? threads - 1 - i : i;
      if (g.fibers[index].done || g.fibers[index].waits != shim::Wait::kNothing) continue;
      resume(index);
      progress = true;
    }
    for (unsigned warp = 0; warp < threads; warp += 32) progress |= release(warp, warp + 32, false);
    progress |= release(0, threads, true);
  }
  for (unsigned i = 0; i < threads; ++i)
    if (!g.fibers[i].done) fail("threads wait for others that will not come");
}

}  // namespace

namespace ss2d {
float4 ss2d_shared[kSharedBytes / sizeof(float4)];

void mma_16x8x8(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t b) {
  const uint32_t own[3] = {a0, a1, b};
  shim::exchange(shim::Wait::kTensor, own, sizeof own);
  const auto value = [](int lane, int which, int half) {
    uint32_t words[3];
    memcpy(words, shim::slot(static_cast<unsigned>(lane)), sizeof words);
    return __half2float({static_cast<uint16_t>(words[which] >> 16 * half)});
  };
  const int row = shim::this_lane() / 4, column = shim::this_lane() % 4 * 2;
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k < 8; ++k)
      c[i] += value(row * 4 + k / 2, i / 2, k % 2) * value((column + i % 2) * 4 + k / 2, 2, k % 2);
}
}  // namespace ss2d

namespace shim {

void wait(Wait what) {
  Gpu& g = gpu();
  Fiber& fiber = g.fibers[g.current];
  fiber.waits = what;
  swapcontext(&fiber.context, &g.scheduler);
}

void exchange(Wait what, const void* own, int bytes) {
  Fiber& fiber = gpu().fibers[gpu().current];
  memcpy(fiber.slots[++fiber.exchanges % 2], own, static_cast<size_t>(bytes));
  wait(what);
}

void* slot(unsigned lane) {
  Fiber& fiber = gpu().fibers[gpu().current / 32 * 32 + lane];
  return fiber.slots[gpu().fibers[gpu().current].exchanges % 2];
}

cudaError_t run(const void* kernel, const std::function<void()>& thread, dim3 grid, dim3 block, size_t shared) {
  Gpu& g = gpu();
  const size_t limit = g.limits.count(kernel) ? static_cast<size_t>(g.limits[kernel]) : 48 * 1024;
  if (shared > limit || !grid.x || block.x % 32 || !block.x || block.x > kMaxThreads) return cudaErrorInvalidValue;
  blockDim = block;
  gridDim = grid;
  g.thread = &thread;
  char* memory = reinterpret_cast<char*>(ss2d::ss2d_shared);
  for (unsigned index = 0; index < grid.x; ++index) {
    blockIdx = dim3(index, 0, 0);
    ASAN_UNPOISON_MEMORY_REGION(memory, kSharedBytes);
    memset(memory, 0xFF, kSharedBytes);  // NaN: what is read before it is written shows
    ASAN_POISON_MEMORY_REGION(memory + shared, kSharedBytes - shared);
    run_block(block.x);
  }
  return cudaSuccess;
}

}  // namespace shim

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return gpu().absent ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? gpu().processors : gpu().shared_bytes;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
  if (value > gpu().shared_bytes) return cudaErrorInvalidValue;
  gpu().limits[kernel] = value;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

// What tests set: the GPU's size (0 processors: there is none), and the order in which threads take turns.
extern "C" __attribute__((visibility("default"))) void shim_set(int processors, int shared_bytes, int reversed) {
  gpu().absent = processors == 0;
  gpu().processors = processors;
  gpu().shared_bytes = shared_bytes;
  gpu().reversed = reversed != 0;
}
