// The kernels of the fused operators: constants read when a session starts, inputs and outputs of a run.
// ../../fused_functions.py says what each operator computes.
#ifndef VMAMBA_CPU_FUSED_KERNEL_H
#define VMAMBA_CPU_FUSED_KERNEL_H

#include <cmath>
#include <vector>

#include "layers.h"
#include "ort_kernel.h"

#include "../selective_scan.h"

namespace {

using layers::Layers;

constexpr size_t kValuesOfTerm = 3;       // inputs: codes, scale, zero point
constexpr int64_t kTaskValues = 1 << 15;  // about 5 us: fewer are done before another thread has started

const Layers& layers_of_cpu() {
  switch (ss2d_best_isa()) {
#if defined(__x86_64__)
    case SS2D_ISA_X86_64_V4: return layers::kKernelV4;
    case SS2D_ISA_X86_64_V3: return layers::kKernelV3;
    default: return layers::kKernelV2;
#else
    default: return layers::kKernelNeon;
#endif
  }
}

struct Grid {
  float scale = 1, zero = 0;

  float steps() const { return 1 / scale; }
};

struct Kernel {
  const Api* api;
  const Layers* layers;
  float epsilon = 0;
  std::vector<float> weight, bias;  // in steps of the result
  std::vector<Grid> from;           // of the codes that come in
  Grid to;                          // of those that go out
  int64_t strides[2], pads[4], kernel[3], channels;  // of a convolution; kernel: channels in, height, width
  float map[256];                   // of SiLU, for each code
  uint8_t codes[256];
};

Tensor constant_from_info(const Api& api, const ort::KernelInfo* info, size_t index) {
  int is_constant = 0;
  const ort::Value* value = nullptr;
  require(api.constant_input(info, index, &is_constant, &value));
  if (!is_constant) throw Failure{"vmamba: weights, scales and zero points must be constants"};
  return tensor_from_value(api, value);
}

Grid grid_from_info(const Api& api, const ort::KernelInfo* info, size_t index) {
  const Tensor scale = constant_from_info(api, info, index), zero = constant_from_info(api, info, index + 1);
  if (scale.size() != 1 || zero.size() != 1) throw Failure{"vmamba: a scale or zero point is not one number"};
  const Grid grid = {*scale.floats(), static_cast<float>(*zero.codes())};
  if (!(grid.scale > 0) || !std::isfinite(1 / grid.scale)) throw Failure{"vmamba: a scale is not positive"};
  return grid;
}

// work(first, count) on shares of `items` of `values` numbers each, on ONNX Runtime's threads where it is worth it.
template <typename Work>
void deal(const Api& api, const ort::KernelContext* context, int64_t items, int64_t values, const Work& work) {
  struct Shares {
    const Work& work;
    int64_t items, tasks;
  };
  const int64_t wanted = items * values / kTaskValues, tasks = wanted < 1 ? 1 : wanted < items ? wanted : items;
  Shares shares = {work, items, tasks};
  const auto one = [](void* data, size_t index) {
    const Shares& all = *static_cast<const Shares*>(data);
    const int64_t task = static_cast<int64_t>(index), first = all.items * task / all.tasks;
    all.work(first, all.items * (task + 1) / all.tasks - first);
  };
  if (tasks == 1) return one(&shares, 0);
  require(api.parallel_for(context, one, static_cast<size_t>(tasks), 0, &shares));
}

// ---- LayerNormQuantize, AddLayerNormQuantize

void create_norm(const ort::KernelInfo* info, size_t first, Kernel* kernel) {
  const Api& api = *kernel->api;
  require(api.attribute_float(info, "epsilon", &kernel->epsilon));
  const Tensor weight = constant_from_info(api, info, first), bias = constant_from_info(api, info, first + 1);
  kernel->to = grid_from_info(api, info, first + 2);
  const int64_t channels = weight.size();
  if (!weight.has_shape({channels}) || !bias.has_shape({channels}) || channels < 1)
    throw Failure{"vmamba: weight and bias of a norm must be rows of one size"};
  for (int64_t c = 0; c < channels; ++c) {
    kernel->weight.push_back(weight.floats()[c] / kernel->to.scale);
    kernel->bias.push_back(bias.floats()[c] / kernel->to.scale);
  }
}

void run_norm(const Kernel& kernel, ort::KernelContext* context, bool has_branch) {
  const Api& api = *kernel.api;
  const Tensor x = input_from_context(api, context, 0);
  const int64_t channels = static_cast<int64_t>(kernel.weight.size());
  if (!x.rank || x.shape[x.rank - 1] != channels) throw Failure{"vmamba: a norm's input has other channels than it"};
  layers::Norm norm = {};
  if (has_branch) {
    const Tensor branch = input_from_context(api, context, 1);
    if (branch.size() != x.size()) throw Failure{"vmamba: the terms of a sum have different sizes"};
    norm.branch = branch.floats();
    norm.sum = static_cast<float*>(output_in_context(api, context, 0, x.shape, x.rank));
  }
  const int64_t shape[] = {x.size() / channels, channels};
  norm.x = x.floats();
  norm.codes = static_cast<uint8_t*>(output_in_context(api, context, has_branch, shape, 2));
  norm.weight = kernel.weight.data();
  norm.bias = kernel.bias.data();
  norm.channels = channels;
  norm.epsilon = kernel.epsilon;
  norm.zero = kernel.to.zero;
  deal(api, context, shape[0], channels, [&](int64_t first, int64_t count) { kernel.layers->norm(norm, first, count); });
}

// ---- GeluQuantize

void run_gelu(const Kernel& kernel, ort::KernelContext* context) {
  const Tensor x = input_from_context(*kernel.api, context, 0);
  uint8_t* codes = static_cast<uint8_t*>(output_in_context(*kernel.api, context, 0, x.shape, x.rank));
  const layers::Gelu gelu = {x.floats(), codes, kernel.to.steps(), kernel.to.zero};
  deal(*kernel.api, context, x.size(), 1, [&](int64_t first, int64_t count) { kernel.layers->gelu(gelu, first, count); });
}

// ---- SiluQuantize: one table each for its results

void create_silu(const ort::KernelInfo* info, Kernel* kernel) {
  const Grid from = grid_from_info(*kernel->api, info, 1);
  kernel->to = grid_from_info(*kernel->api, info, 3);
  for (int code = 0; code < 256; ++code) {
    const double x = (double{1} * code - from.zero) * from.scale;
    kernel->map[code] = static_cast<float>(x / (1 + std::exp(-x)));
    const float rounded = std::nearbyint(kernel->map[code] / kernel->to.scale) + kernel->to.zero;
    kernel->codes[code] = static_cast<uint8_t>(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
  }
}

void run_silu(const Kernel& kernel, ort::KernelContext* context) {
  const Tensor x = input_from_context(*kernel.api, context, 0);
  if (!x.rank || !x.shape[x.rank - 1]) throw Failure{"vmamba: SiluQuantize needs rows"};
  const int64_t channels = x.shape[x.rank - 1], shape[] = {x.size() / channels, channels};
  float* map = static_cast<float*>(output_in_context(*kernel.api, context, 0, x.shape, x.rank));
  uint8_t* codes = static_cast<uint8_t*>(output_in_context(*kernel.api, context, 1, shape, 2));
  deal(*kernel.api, context, x.size(), 1, [&](int64_t first, int64_t count) {
    const uint8_t* __restrict from = x.codes();
    const float* __restrict values = kernel.map;
    const uint8_t* __restrict table = kernel.codes;
    float* __restrict to = map;
    uint8_t* __restrict rounded = codes;
    for (int64_t i = first; i < first + count; ++i) {
      to[i] = values[from[i]];
      rounded[i] = table[from[i]];
    }
  });
}

// ---- AddQuantize2, AddQuantize3: (codes, scale, zero) of each term, scale and zero of the sum

void create_sum(const ort::KernelInfo* info, size_t terms, Kernel* kernel) {
  for (size_t term = 0; term < terms; ++term)
    kernel->from.push_back(grid_from_info(*kernel->api, info, kValuesOfTerm * term + 1));
  kernel->to = grid_from_info(*kernel->api, info, kValuesOfTerm * terms);
}

void run_sum(const Kernel& kernel, ort::KernelContext* context) {
  const Api& api = *kernel.api;
  const Tensor first = input_from_context(api, context, 0);
  layers::Sum sum = {};
  for (size_t term = 0; term < kernel.from.size(); ++term) {
    const Tensor codes = term ? input_from_context(api, context, kValuesOfTerm * term) : first;
    if (codes.size() != first.size()) throw Failure{"vmamba: the terms of a sum have different sizes"};
    sum.terms[term] = codes.codes();
    sum.scales[term] = kernel.from[term].scale;
    sum.zeros[term] = kernel.from[term].zero;
  }
  sum.codes = static_cast<uint8_t*>(output_in_context(api, context, 0, first.shape, first.rank));
  sum.steps = kernel.to.steps();
  sum.zero = kernel.to.zero;
  deal(api, context, first.size(), 1, [&](int64_t start, int64_t count) { kernel.layers->sum(sum, start, count); });
}

// ---- ConvReluQuantize: x, weight (N, C, kernel_h, kernel_w), bias (N), scale, zero point

void create_stem(const ort::KernelInfo* info, Kernel* kernel) {
  const Api& api = *kernel->api;
  const Tensor weight = constant_from_info(api, info, 1), bias = constant_from_info(api, info, 2);
  kernel->to = grid_from_info(api, info, 3);
  size_t strides = 2, pads = 4;
  require(api.attribute_ints(info, "strides", kernel->strides, &strides));
  require(api.attribute_ints(info, "pads", kernel->pads, &pads));
  const int64_t channels = bias.size();
  if (weight.rank != 4 || !bias.has_shape({channels}) || weight.shape[0] != channels || !weight.size() ||
      channels > layers::kMostStemChannels || strides != 2 || pads != 4)
    throw Failure{"vmamba: the parts of a convolution do not fit one another"};
  for (int i = 0; i < 4; ++i)
    if (kernel->pads[i] < 0 || kernel->strides[i / 2] < 1 || kernel->pads[i] >= weight.shape[2 + i % 2])
      throw Failure{"vmamba: a convolution's strides or pads"};
  for (int i = 0; i < 3; ++i) kernel->kernel[i] = weight.shape[1 + i];
  const int64_t padded = (channels + layers::kStemPad - 1) / layers::kStemPad * layers::kStemPad;
  const int64_t *size = kernel->kernel, taps = size[0] * size[1] * size[2];
  kernel->bias.assign(padded, 0);
  kernel->weight.assign(taps * padded, 0);
  for (int64_t n = 0; n < channels; ++n) {
    kernel->bias[n] = bias.floats()[n] / kernel->to.scale;
    for (int64_t tap = 0; tap < taps; ++tap) {  // in the order (C, kernel_h, kernel_w)
      const int64_t c = tap / (size[1] * size[2]), ky = tap / size[2] % size[1], kx = tap % size[2];
      kernel->weight[((ky * size[0] + c) * size[2] + kx) * padded + n] =
          weight.floats()[n * taps + tap] / kernel->to.scale;
    }
  }
  kernel->channels = channels;
}

void run_stem(const Kernel& kernel, ort::KernelContext* context) {
  const Api& api = *kernel.api;
  const Tensor x = input_from_context(api, context, 0);
  if (x.rank != 4 || x.shape[1] != kernel.kernel[0]) throw Failure{"vmamba: a convolution's input has other channels"};
  const int64_t *pads = kernel.pads, *size = kernel.kernel;
  const int64_t height = x.shape[2] + pads[0] + pads[2] - size[1], width = x.shape[3] + pads[1] + pads[3] - size[2];
  if (height < 0 || width < 0) throw Failure{"vmamba: a convolution's input is smaller than its kernel"};
  const int64_t shape[] = {x.shape[0], height / kernel.strides[0] + 1, width / kernel.strides[1] + 1, kernel.channels};
  const int64_t padded = static_cast<int64_t>(kernel.bias.size());
  uint8_t* codes = static_cast<uint8_t*>(output_in_context(api, context, 0, shape, 4));
  const layers::Stem stem = {x.floats(), codes, kernel.weight.data(), kernel.bias.data(), size[0], x.shape[2],
                             x.shape[3], size[1], size[2], kernel.strides[0], kernel.strides[1], pads[0], pads[1],
                             shape[1], shape[2], shape[3], padded, kernel.to.zero};
  deal(api, context, shape[0] * shape[1], shape[2] * shape[3],
       [&](int64_t first, int64_t count) { kernel.layers->stem(stem, first, count); });
}

}  // namespace

#endif
