#pragma once

#include <string>
#include <vector>

#include "app/clock.h"
#include "core/config.h"
#include "net/environment.h"

namespace usaged::app {

// One thing that was looked at.
struct Symptom {
  enum class Result { kGood, kDoubtful, kBad };
  Result result = Result::kGood;
  std::string what;    // "disk", "credentials organization/eu-west-1"
  std::string found;   // for people
  std::string advice;  // what to do about it; empty if it is good
};

std::string_view result_name(Symptom::Result result);  // "good", "doubtful", "bad"

// Looks at all that an operator would, were the daemon ill: versions, configuration and the files
// that it names, folder, disk, clock, database, collection, the unit and the daemon; with `online`,
// also names, connections and TLS of what is asked, and the credentials. Never throws for what is
// wrong; changes nothing.
class Doctor {
 public:
  struct World {
    const Clock& clock;
    Stop& stop;
    net::Environment environment;
  };

  Doctor(std::string config_path, World world)
      : config_path_(std::move(config_path)), world_(std::move(world)) {}

  std::vector<Symptom> examine(bool online);

 private:
  void versions();
  bool configuration();
  void named_files();
  void folder();
  void disk();
  void clock();
  void database();
  void server();
  void collection();
  void unit();
  void daemon();
  void connections();
  void credentials();

  void good(std::string what, std::string found);
  void doubtful(std::string what, std::string found, std::string advice);
  void bad(std::string what, std::string found, std::string advice);

  std::string config_path_;
  World world_;
  core::Config config_;
  std::vector<Symptom> symptoms_;
};

}  // namespace usaged::app
