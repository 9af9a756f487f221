#pragma once

#include <map>
#include <string>

// Texts with places in them: "{{ account_name }} rose to {{ after }}".
namespace usaged::core {

// Throws Error(kInvalid) unless each place is closed and names what there can be: a label of the
// alert (account_id, region, usage_type, cloud_provider, target, trial, currency, tag.NAME,
// alertname, severity), an annotation that it has anyway (summary, reason, contributors, duration,
// account_name), or before, after, peak, score, starts_at, ends_at.
void check_template(const std::string& text);

// The text with its places filled; one without a value becomes "".
std::string fill_template(const std::string& text,
                          const std::map<std::string, std::string>& values);

}  // namespace usaged::core
