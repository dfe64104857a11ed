// Every ISA of this CPU against double precision: codes may differ by one where rounding crosses the middle of two.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "cpu/layers.h"

namespace {

std::mt19937 generator(1);

std::vector<float> floats(int64_t count, float size) {
  std::normal_distribution<float> normal(0, size);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

std::vector<uint8_t> bytes(int64_t count) {
  std::vector<uint8_t> values(count);
  for (uint8_t& value : values) value = static_cast<uint8_t>(generator());
  return values;
}

// Of codes: how many of a hundred differ; -1 where one differs by more than 1.
struct Check {
  int64_t count = 0, differ = 0;
  bool is_wrong = false;

  void code(uint8_t got, double steps, double zero) {
    double expected = std::nearbyint(steps) + zero;
    expected = !(expected > 0) ? 0 : expected > 255 ? 255 : expected;  // NaN: 0
    const double error = std::fabs(got - expected);
    ++count;
    differ += error != 0;
    is_wrong |= error > 1;
  }
  bool report(const char* name) const {
    std::printf("%s: %ld of %ld differ\n", name, static_cast<long>(differ), static_cast<long>(count));
    return !is_wrong && differ * 500 <= count;
  }
};

bool norm(const layers::Layers& layers, int64_t rows, int64_t channels, bool has_branch) {
  std::vector<float> x = floats(rows * channels, 2), branch = floats(rows * channels, 1), sum(rows * channels);
  const std::vector<float> weight = floats(channels, 40), bias = floats(channels, 9);
  std::vector<uint8_t> codes(rows * channels);
  x[channels] = NAN;
  layers::Norm norm = {x.data(), nullptr, nullptr, codes.data(), weight.data(), bias.data(), channels, 1e-5f, 128};
  if (has_branch) norm.branch = branch.data(), norm.sum = sum.data();
  layers.norm(norm, 0, 1);
  layers.norm(norm, 1, rows - 1);
  Check check;
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<double> values(channels);
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t at = row * channels + c;
      values[c] = has_branch ? x[at] + branch[at] : x[at];
      if (has_branch && row != 1 && sum[at] != static_cast<float>(values[c])) check.is_wrong = true;
      mean += values[c] / channels;
    }
    for (const double v : values) variance += (v - mean) * (v - mean) / channels;
    for (int64_t c = 0; c < channels; ++c)
      check.code(codes[row * channels + c],
                 (values[c] - mean) / std::sqrt(variance + 1e-5f) * weight[c] + bias[c], 128);
  }
  return check.report("norm");
}

bool gelu(const layers::Layers& layers, int64_t count) {
  std::vector<float> x = floats(count, 3);
  x[0] = NAN, x[1] = INFINITY, x[2] = -INFINITY, x[3] = -1e30f, x[4] = 0;
  std::vector<uint8_t> codes(count);
  layers.gelu({x.data(), codes.data(), 30, 7}, 0, count);
  Check check;
  for (int64_t i = 0; i < count; ++i) {
    const double z = x[i], value = std::isinf(x[i]) ? (z > 0 ? z : 0) : z * 0.5 * std::erfc(-z / std::sqrt(2));
    check.code(codes[i], value * 30, 7);
  }
  return check.report("gelu");
}

bool sum(const layers::Layers& layers, int64_t count, int terms) {
  const std::vector<uint8_t> maps[] = {bytes(count), bytes(count), bytes(count)};
  std::vector<uint8_t> codes(count);
  layers::Sum sum = {{}, codes.data(), {0.02f, 0.013f, 0.031f}, {128, 3, 0}, 41, 100};
  for (int term = 0; term < terms; ++term) sum.terms[term] = maps[term].data();
  layers.sum(sum, 0, count / 3);
  layers.sum(sum, count / 3, count - count / 3);
  Check check;
  for (int64_t i = 0; i < count; ++i) {
    double total = 0;
    for (int term = 0; term < terms; ++term) total += (maps[term][i] - sum.zeros[term]) * double{sum.scales[term]};
    check.code(codes[i], total * 41, 100);
  }
  return check.report("sum");
}

// Two images, so that the second starts where the first's last pixel must not reach.
bool stem(const layers::Layers& layers, int64_t channels_in, int64_t channels, int64_t kernel, int64_t stride, int64_t pad) {
  const int64_t height = 13, width = 37, padded = (channels + layers::kStemPad - 1) / layers::kStemPad * layers::kStemPad;
  const int64_t height_out = (height + 2 * pad - kernel) / stride + 1, width_out = (width + 2 * pad - kernel) / stride + 1;
  const std::vector<float> x = floats(2 * channels_in * height * width, 1), bias = floats(padded, 5);
  const std::vector<float> weight = floats(kernel * channels_in * kernel * padded, 20);
  std::vector<uint8_t> codes(2 * height_out * width_out * channels);
  const layers::Stem s = {x.data(), codes.data(), weight.data(), bias.data(), channels_in, height, width, kernel, kernel,
                          stride, stride, pad, pad, height_out, width_out, channels, padded, 0};
  layers.stem(s, height_out, height_out);
  layers.stem(s, 0, height_out);
  Check check;
  for (int64_t at = 0; at < static_cast<int64_t>(codes.size()); ++at) {
    const int64_t n = at % channels, column = at / channels % width_out, row = at / channels / width_out;
    double total = bias[n];
    for (int64_t tap = 0; tap < kernel * channels_in * kernel; ++tap) {
      const int64_t ky = tap / (channels_in * kernel), c = tap / kernel % channels_in, kx = tap % kernel;
      const int64_t y = row % height_out * stride - pad + ky, z = column * stride - pad + kx;
      if (y >= 0 && y < height && z >= 0 && z < width)
        total += double{weight[tap * padded + n]} * x[((row / height_out * channels_in + c) * height + y) * width + z];
    }
    check.code(codes[at], total, 0);
  }
  return check.report("stem");
}

bool all(const layers::Layers& layers) {
  bool ok = true;
  for (const int64_t channels : {1, 3, 16, 33, 192, 200}) ok &= norm(layers, 7, channels, false) & norm(layers, 7, channels, true);
  for (const int64_t count : {5, 128, 1000}) ok &= gelu(layers, count) & sum(layers, count, 2) & sum(layers, count, 3);
  ok &= stem(layers, 1, 24, 3, 2, 1) & stem(layers, 3, 5, 3, 1, 1) & stem(layers, 2, 16, 7, 2, 3) & stem(layers, 3, 48, 4, 4, 0);
  return ok;
}

}  // namespace

int main() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool ok = all(layers::kKernelV2);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) ok &= all(layers::kKernelV3);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) ok &= all(layers::kKernelV4);
#else
  const bool ok = all(layers::kKernelNeon);
#endif
  return ok ? 0 : 1;
}
