// What stands between the products of an INT8 network, one instruction set's code each: float32 in, uint8 codes out.
// Codes are clamped and rounded to nearest, ties to even, as QuantizeLinear rounds; a NaN becomes code 0.
#ifndef VMAMBA_CPU_LAYERS_H
#define VMAMBA_CPU_LAYERS_H

#include <stdint.h>

namespace layers {

// LayerNormalization over rows: of x, or of x + branch, which is kept in sum.
struct Norm {
  const float *x, *branch;  // branch and sum: null, or both
  float* sum;
  uint8_t* codes;
  const float *weight, *bias;  // in steps of a code
  int64_t channels;
  float epsilon, zero;
};

// x / step -> code, after GELU.
struct Gelu {
  const float* x;
  uint8_t* codes;
  float steps, zero;  // steps: codes a unit
};

// The sum of two or three maps of codes, (code - zero) * scale each, as a code.
struct Sum {
  const uint8_t* terms[3];  // the last may be null
  uint8_t* codes;
  float scales[3], zeros[3], steps, zero;
};

constexpr int64_t kStemPad = 16, kMostStemChannels = 128;  // channels out: in memory a multiple of, at most

// A convolution of few channels, first in float32, into many, last in codes; no code is below its zero point, so a
// ReLU is part of it where that is 0.
struct Stem {
  const float* x;  // (B, channels_in, height, width)
  uint8_t* codes;  // (B, height_out, width_out, channels)
  const float *weight, *bias;  // in steps: (kernel_h, channels_in, kernel_w, padded), (padded)
  int64_t channels_in, height, width, kernel_h, kernel_w, stride_h, stride_w, top, left;
  int64_t height_out, width_out, channels, padded;
  float zero;
};

// Each works on `count` rows (Norm; Stem: of all images) or values from `first` on.
struct Layers {
  void (*norm)(const Norm&, int64_t first, int64_t count);
  void (*gelu)(const Gelu&, int64_t first, int64_t count);
  void (*sum)(const Sum&, int64_t first, int64_t count);
  void (*stem)(const Stem&, int64_t first, int64_t count);
};

extern const Layers kKernelV2, kKernelV3, kKernelV4, kKernelNeon;

}  // namespace layers

#endif
