#pragma once

#include <map>
#include <string>

#include "net/environment.h"

// The files in which AWS's tools keep profiles ("Shared config and credentials files" of the AWS
// SDKs and Tools Reference Guide).
namespace usaged::net {

using ProfileSettings = std::map<std::string, std::string>;  // keys in lower case

// One profile, as each of the two files has it.
struct Profile {
  ProfileSettings credentials_file;
  ProfileSettings config_file;

  // A setting; the credentials file's wins. "" if neither has it.
  std::string get(const std::string& key) const;
};

struct Profiles {
  std::string credentials_path;  // AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials
  std::string config_path;       // AWS_CONFIG_FILE, else ~/.aws/config
  std::map<std::string, Profile> by_name;

  const Profile* find(const std::string& name) const;  // nullptr if neither file has it
};

// Reads both files; one that isn't there is empty. Throws Error(kConfig) with file and line for
// what can't be read.
Profiles read_profiles(const Environment& environment);

// The sections of such a file by their names, which are kept as they stand: "default",
// "profile audit". Indented lines below a key belong to it and are left out, and so is what follows
// a # or ; after a space. Throws Error(kConfig) with the line; no value is in the message.
std::map<std::string, ProfileSettings> parse_profile_file(const std::string& name,
                                                          const std::string& text);

}  // namespace usaged::net
