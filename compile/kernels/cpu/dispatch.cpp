// The C ABI: arguments checked, the ISA chosen, the work dealt to the caller's threads.
#include <cmath>
#include <initializer_list>

#include "kernel.h"

namespace {

using ss2d::Deal;
using ss2d::Kernel;
using ss2d::Layout;
using ss2d::Staging;

constexpr int64_t kMaxElements = int64_t{1} << 40;  // a map, its weights or the workspace; keeps products below 2^63
constexpr int64_t kWorthThreads = 1 << 16;  // values of x_dbl; fewer are staged before another thread has started
constexpr int64_t kWorthReducing = 1 << 19;  // values of all slots; fewer are summed before then, too

ss2d_isa best_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return SS2D_ISA_X86_64_V4;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    return SS2D_ISA_X86_64_V3;
  return SS2D_ISA_X86_64_V2;  // of 2008; what lacks it runs no current operating system
#else
  return SS2D_ISA_NEON;
#endif
}

const Kernel* kernel_from_isa(int32_t isa) {
  const ss2d_isa best = best_isa();
  if (isa == SS2D_ISA_BEST) isa = best;
  if (isa > best) return nullptr;
  switch (isa) {
#if defined(__x86_64__)
    case SS2D_ISA_X86_64_V2: return &ss2d::kKernelV2;
    case SS2D_ISA_X86_64_V3: return &ss2d::kKernelV3;
    case SS2D_ISA_X86_64_V4: return &ss2d::kKernelV4;
#else
    case SS2D_ISA_NEON: return &ss2d::kKernelNeon;
#endif
    default: return nullptr;
  }
}

bool product_fits(std::initializer_list<int64_t> sizes) {
  double product = 1;
  for (const int64_t size : sizes) product *= static_cast<double>(size);
  return product <= static_cast<double>(kMaxElements);
}

// Sizes, types and ISA: all that every entry point needs.
ss2d_status check_sizes(const ss2d_params* p, const Kernel** kernel, Layout* layout) {
  if (!p) return SS2D_NULL_POINTER;
  if (p->abi != SS2D_ABI) return SS2D_WRONG_ABI;
  for (const int32_t dtype : {p->u_dtype, p->x_dbl_dtype, p->y_dtype})
    if (dtype < SS2D_FLOAT32 || dtype > SS2D_INT8) return SS2D_UNSUPPORTED_DTYPE;
  *kernel = kernel_from_isa(p->isa);
  if (!*kernel) return SS2D_UNSUPPORTED_ISA;
  if (p->batch < 0) return SS2D_BAD_SIZE;
  for (const int32_t size : {p->height, p->width, p->d_inner, p->d_state, p->dt_rank, p->routes_n})
    if (size < 1) return SS2D_BAD_SIZE;
  const int64_t images = int64_t{p->batch} + 1, d = p->d_inner, n = p->d_state, per_pixel = 2 * n + p->dt_rank;
  if (!product_fits({images, p->height, p->width, d + 32, 4 * n + 4}) ||
      !product_fits({images, p->height, p->width, p->routes_n, per_pixel}) ||
      !product_fits({p->routes_n, d + 32, per_pixel + 2}))
    return SS2D_BAD_SIZE;
  *layout = Layout(*p, (*kernel)->lanes);
  return SS2D_OK;
}

bool is_scale(int32_t dtype, float scale) { return dtype != SS2D_INT8 || (scale > 0 && std::isfinite(scale)); }

ss2d_status check_launch(const ss2d_params& p, const void* packed, const void* workspace, size_t bytes, size_t needed) {
  if (!p.routes || !packed || (p.batch && (!p.u || !p.x_dbl))) return SS2D_NULL_POINTER;
  for (int32_t k = 0; k < p.routes_n; ++k)
    if (p.routes[k] < 0 || p.routes[k] > 3) return SS2D_BAD_ROUTE;
  if (bytes < needed) return SS2D_WORKSPACE_TOO_SMALL;
  return needed && !workspace ? SS2D_NULL_POINTER : SS2D_OK;
}

void run(const ss2d_parallel* parallel, int64_t tasks, ss2d_task task, void* argument) {
  if (parallel && tasks > 1) return parallel->run(parallel->context, tasks, task, argument);
  for (int64_t index = 0; index < tasks; ++index) task(argument, index);
}

struct Call {
  const Kernel& kernel;
  const ss2d_params& params;
  const float* packed;
  float* workspace;
  const ss2d_gradients* gradients;
  int64_t slots;
};

void stage_task(void* argument, int64_t index) {
  const Call& call = *static_cast<const Call*>(argument);
  call.kernel.stage(call.params, call.workspace, index);
}

void forward_task(void* argument, int64_t index) {
  const Call& call = *static_cast<const Call*>(argument);
  call.kernel.forward(call.params, call.packed, call.workspace, index);
}

void backward_task(void* argument, int64_t index) {
  const Call& call = *static_cast<const Call*>(argument);
  call.kernel.backward(call.params, call.packed, *call.gradients, call.workspace, index, call.slots);
}

void reduce_task(void* argument, int64_t index) {
  const Call& call = *static_cast<const Call*>(argument);
  call.kernel.reduce(call.params, *call.gradients, call.workspace, call.slots, index);
}

}  // namespace

ss2d_isa ss2d_best_isa(void) { return best_isa(); }

ss2d_status ss2d_bytes_from_params(const ss2d_params* params, int32_t slots, ss2d_bytes* bytes) {
  const Kernel* kernel;
  Layout layout;
  const ss2d_status status = check_sizes(params, &kernel, &layout);
  if (status != SS2D_OK) return status;
  if (!bytes) return SS2D_NULL_POINTER;
  if (slots < 1) return SS2D_BAD_SIZE;
  bytes->packed = layout.packed_size() * sizeof(float);
  bytes->forward = Staging(*params, kernel->lanes).size() * sizeof(float);
  const Deal deal(layout, params->batch, slots);
  if (!product_fits({deal.slots, deal.slot_size()})) return SS2D_BAD_SIZE;
  bytes->backward = deal.slots * deal.slot_size() * sizeof(float);
  return SS2D_OK;
}

ss2d_status ss2d_pack(const ss2d_params* params, void* packed) {
  const Kernel* kernel;
  Layout layout;
  const ss2d_status status = check_sizes(params, &kernel, &layout);
  if (status != SS2D_OK) return status;
  if (!params->dt_weight || !params->dt_bias || !params->A || !params->D || !packed) return SS2D_NULL_POINTER;
  kernel->pack(*params, static_cast<float*>(packed));
  return SS2D_OK;
}

ss2d_status ss2d_forward(const ss2d_params* params, const void* packed, void* workspace, size_t workspace_bytes,
                         const ss2d_parallel* parallel) {
  const Kernel* kernel;
  Layout layout;
  ss2d_status status = check_sizes(params, &kernel, &layout);
  if (status != SS2D_OK) return status;
  const Staging staging(*params, kernel->lanes);
  status = check_launch(*params, packed, workspace, workspace_bytes, staging.size() * sizeof(float));
  if (status != SS2D_OK) return status;
  if (params->batch && !params->y) return SS2D_NULL_POINTER;
  if (!is_scale(params->u_dtype, params->u_scale) || !is_scale(params->x_dbl_dtype, params->x_dbl_scale) ||
      !is_scale(params->y_dtype, params->y_scale))
    return SS2D_BAD_SCALE;
  Call call = {*kernel, *params, static_cast<const float*>(packed), static_cast<float*>(workspace), nullptr, 0};
  if (staging.x) run(staging.x_size() < kWorthThreads ? nullptr : parallel, staging.stage_tasks(), stage_task, &call);
  run(parallel, staging.shares(), forward_task, &call);
  return SS2D_OK;
}

ss2d_status ss2d_backward(const ss2d_params* params, const void* packed, const ss2d_gradients* gradients, int32_t slots,
                          void* workspace, size_t workspace_bytes, const ss2d_parallel* parallel) {
  const Kernel* kernel;
  Layout layout;
  ss2d_bytes bytes;
  ss2d_status status = check_sizes(params, &kernel, &layout);
  if (status == SS2D_OK) status = ss2d_bytes_from_params(params, slots, &bytes);
  if (status != SS2D_OK) return status;
  status = check_launch(*params, packed, workspace, workspace_bytes, bytes.backward);
  if (status != SS2D_OK) return status;
  for (const int32_t dtype : {params->u_dtype, params->x_dbl_dtype})
    if (dtype != SS2D_FLOAT32) return SS2D_UNSUPPORTED_DTYPE;
  const ss2d_gradients* g = gradients;
  if (!g || !g->dt_weight || !g->dt_bias || !g->A || !g->D) return SS2D_NULL_POINTER;
  if (params->batch && (!g->y || !g->u || !g->x_dbl)) return SS2D_NULL_POINTER;
  const Deal deal(layout, params->batch, slots);
  Call call = {*kernel, *params, static_cast<const float*>(packed), static_cast<float*>(workspace), g, deal.slots};
  run(parallel, deal.slots, backward_task, &call);
  const bool is_worth = deal.slots * (deal.weights_size() + deal.shared_size()) > kWorthReducing;
  run(is_worth ? parallel : nullptr, layout.routes * (layout.blocks + deal.splits_images()), reduce_task, &call);
  return SS2D_OK;
}

const char* ss2d_text_from_status(ss2d_status status) {
  switch (status) {
    case SS2D_OK: return "ok";
    case SS2D_WRONG_ABI: return "caller and library were compiled with different versions of selective_scan.h";
    case SS2D_NULL_POINTER: return "a needed pointer is missing";
    case SS2D_BAD_SIZE: return "a size is below 1 or too large";
    case SS2D_BAD_ROUTE: return "a route is not one of 0..3";
    case SS2D_UNSUPPORTED_DTYPE: return "this library has no kernel for these dtypes";
    case SS2D_UNSUPPORTED_ISA: return "this library or CPU lacks the instruction set";
    case SS2D_WORKSPACE_TOO_SMALL: return "the workspace is too small";
    case SS2D_BAD_SCALE: return "the scale of an int8 map is not positive and finite";
    case SS2D_LAUNCH_FAILED: return "CUDA refused the launch";
  }
  return "unknown status";
}
