#include "creator.h"

#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "log.h"

namespace vmamba {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

constexpr char kOtherPlan[] =
    "this plan was built with other kernels than those of this library; build the engine again on this device";
constexpr char kWrongField[] = "an attribute has the wrong type";

const char* read(const PluginField& field, std::string* text) {
  if (field.type != PluginFieldType::kCHAR || field.length < 0 || !field.data) return kWrongField;
  const char* data = static_cast<const char*>(field.data);
  text->assign(data, strnlen(data, static_cast<size_t>(field.length)));
  return nullptr;
}

const char* read(const PluginField& field, std::vector<int32_t>* numbers) {
  if (field.type != PluginFieldType::kINT32 || field.length < 0 || !field.data) return kWrongField;
  const int32_t* data = static_cast<const int32_t*>(field.data);
  numbers->assign(data, data + field.length);
  return nullptr;
}

const char* read(const PluginField& field, float* number) {
  if (field.type != PluginFieldType::kFLOAT32 || field.length != 1 || !field.data) return kWrongField;
  std::memcpy(number, field.data, sizeof *number);
  return nullptr;
}

const char* attributes_from_fields(const nvinfer1::PluginFieldCollection& fields, Attributes* attributes,
                                   std::string* sources) {
  for (const PluginField* field = fields.fields; field != fields.fields + fields.nbFields; ++field) {
    const std::string name = field->name;
    const char* problem = nullptr;
    if (name == kRoutes) problem = read(*field, &attributes->routes);
    if (name == kLayout) problem = read(*field, &attributes->layout);
    if (name == kUScale) problem = read(*field, &attributes->u_scale);
    if (name == kXDblScale) problem = read(*field, &attributes->x_dbl_scale);
    if (name == kYScale) problem = read(*field, &attributes->y_scale);
    if (name == kSources) problem = read(*field, sources);
    if (problem) return problem;
  }
  return check_attributes(*attributes);
}

}  // namespace

nvinfer1::IPluginV3* Creator::createPlugin(char const*, nvinfer1::PluginFieldCollection const* fields,
                                           nvinfer1::TensorRTPhase phase) noexcept {
  try {
    Attributes attributes;
    std::string sources;
    const char* problem = fields ? attributes_from_fields(*fields, &attributes, &sources) : kWrongField;
    if (!problem && phase == nvinfer1::TensorRTPhase::kRUNTIME && sources != kDigest) problem = kOtherPlan;
    if (!problem) return new Plugin(std::move(attributes));
    log_error(problem);
  } catch (const std::exception& error) {
    log_error(error.what());
  }
  return nullptr;
}

nvinfer1::PluginFieldCollection const* Creator::getFieldNames() noexcept {
  static const PluginField fields[] = {
      {kRoutes, nullptr, PluginFieldType::kINT32, 1},     {kLayout, nullptr, PluginFieldType::kCHAR, 1},
      {kUScale, nullptr, PluginFieldType::kFLOAT32, 1},   {kXDblScale, nullptr, PluginFieldType::kFLOAT32, 1},
      {kYScale, nullptr, PluginFieldType::kFLOAT32, 1},
  };
  static const nvinfer1::PluginFieldCollection collection = {sizeof fields / sizeof *fields, fields};
  return &collection;
}

}  // namespace vmamba

const char vmamba_plugin_sources[] = "vmamba_plugin_sources=" VMAMBA_QUOTED_VALUE(VMAMBA_SOURCES);

nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& creators_n) {
  static vmamba::Creator creator;
  static nvinfer1::IPluginCreatorInterface* const creators[] = {&creator};
  creators_n = 1;
  return creators;
}
