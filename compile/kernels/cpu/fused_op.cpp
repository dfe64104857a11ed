// The fused operators of the INT8 graph as ONNX Runtime custom operators. Weights, scales and zero points must be
// constants of the graph: a kernel object reads them once, and then holds nothing that a run writes.
#include <memory>

#include "fused_kernel.h"

namespace {

struct Operator {
  ort::CustomOp base;  // first: ONNX Runtime hands out its address
  const char* name;
  const char* types;  // of the inputs, then of the outputs: f float32, u uint8
  size_t inputs;
  void (*create)(const ort::KernelInfo*, Kernel*);
  void (*run)(const Kernel&, ort::KernelContext*);
};

struct Instance {
  const Operator* op;
  Kernel kernel;
};

const Operator& self(const ort::CustomOp* op) { return *reinterpret_cast<const Operator*>(op); }

ort::ElementType type_from_letter(char letter) { return letter == 'u' ? ort::kUint8 : ort::kFloat; }

ort::Status* create(const ort::CustomOp* op, const Api* api, const ort::KernelInfo* info, void** out) {
  *out = nullptr;
  return guarded(*api, [&] {
    std::unique_ptr<Instance> instance(new Instance{&self(op), {}});
    instance->kernel.api = api;
    instance->kernel.layers = &layers_of_cpu();
    self(op).create(info, &instance->kernel);
    *out = instance.release();
  });
}

ort::Status* run(void* data, ort::KernelContext* context) {
  const Instance& instance = *static_cast<const Instance*>(data);
  return guarded(*instance.kernel.api, [&] { instance.op->run(instance.kernel, context); });
}

Operator operator_from_parts(const char* name, const char* types, size_t inputs,
                             void (*create_kernel)(const ort::KernelInfo*, Kernel*),
                             void (*run_kernel)(const Kernel&, ort::KernelContext*)) {
  Operator made = {{}, name, types, inputs, create_kernel, run_kernel};
  ort::CustomOp& op = made.base;
  op.version = ort::kApiVersion;
  op.name = [](const ort::CustomOp* op) { return self(op).name; };
  op.provider = [](const ort::CustomOp*) { return "CPUExecutionProvider"; };
  op.input_type = [](const ort::CustomOp* op, size_t index) { return type_from_letter(self(op).types[index]); };
  op.output_type = [](const ort::CustomOp* op, size_t index) {
    return type_from_letter(self(op).types[self(op).inputs + index]);
  };
  op.input_count = [](const ort::CustomOp* op) { return self(op).inputs; };
  op.output_count = [](const ort::CustomOp* op) { return __builtin_strlen(self(op).types) - self(op).inputs; };
  op.input_kind = op.output_kind = [](const ort::CustomOp*, size_t) { return ort::kRequired; };
  op.input_memory = [](const ort::CustomOp*, size_t) { return ort::kMemoryDefault; };
  op.start_version = op.end_version = [](const ort::CustomOp*) { return 1; };
  op.destroy = [](void* kernel) { delete static_cast<Instance*>(kernel); };
  op.create = create;
  op.compute = run;
  return made;
}

}  // namespace

void add_fused_operators(const ort::Api& api, ort::CustomOpDomain* domain) {
  static const Operator operators[] = {
      operator_from_parts(
          "LayerNormQuantize", "ffffuu", 5,
          [](const ort::KernelInfo* info, Kernel* kernel) { create_norm(info, 1, kernel); },
          [](const Kernel& kernel, ort::KernelContext* context) { run_norm(kernel, context, false); }),
      operator_from_parts(
          "AddLayerNormQuantize", "fffffufu", 6,
          [](const ort::KernelInfo* info, Kernel* kernel) { create_norm(info, 2, kernel); },
          [](const Kernel& kernel, ort::KernelContext* context) { run_norm(kernel, context, true); }),
      operator_from_parts(
          "GeluQuantize", "ffuu", 3,
          [](const ort::KernelInfo* info, Kernel* kernel) { kernel->to = grid_from_info(*kernel->api, info, 1); },
          run_gelu),
      operator_from_parts("SiluQuantize", "ufufufu", 5, create_silu, run_silu),
      operator_from_parts(
          "AddQuantize2", "ufuufufuu", 8,
          [](const ort::KernelInfo* info, Kernel* kernel) { create_sum(info, 2, kernel); }, run_sum),
      operator_from_parts(
          "AddQuantize3", "ufuufuufufuu", 11,
          [](const ort::KernelInfo* info, Kernel* kernel) { create_sum(info, 3, kernel); }, run_sum),
      operator_from_parts("ConvReluQuantize", "ffffuu", 5, create_stem, run_stem),
  };
  for (const Operator& op : operators) require(api.add_op(domain, &op.base));
}
