#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/alert.h"
#include "core/config.h"
#include "store/history.h"
#include "store/reader.h"
#include "store/spikes.h"

namespace usaged::app {

// What a rule sees of one group.
struct Measured {
  store::Group group;
  core::Measurement measurement;
};

// What is kept between evaluations, by rule.
using RuleMemory = std::map<std::string, store::SpikeMemory>;

// Every group of a rule as it is now: one function for each kind of rule. Groups that are not there
// are left out. Throws what the questions throw.
std::vector<Measured> measure(store::Reader& reader, const core::Rule& rule, core::Time now,
                              RuleMemory& memory);

}  // namespace usaged::app
