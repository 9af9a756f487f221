#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/time.h"
#include "net/aws.h"
#include "net/environment.h"
#include "net/http.h"
#include "net/sigv4.h"

// Where the keys come from that sign requests, in the order of AWS's SDKs ("Standardized credential
// providers" of the AWS SDKs and Tools Reference Guide).
namespace usaged::net {

struct FoundCredentials {
  sigv4::Credentials keys;
  std::optional<core::Time> expires;  // nullopt: they don't, as far as is known
  std::string provider;               // who gave them, for people; holds no secret
};

// Gives the keys to sign with, as AwsClient::World::credentials.
using Signer = std::function<sigv4::Credentials(const sigv4::Credentials* rejected)>;

// What the providers need of the world.
struct CredentialWorld {
  Environment environment;
  HttpClient* http = nullptr;
  std::function<core::Time()> now;
  const std::atomic<bool>* stop = nullptr;
  // A client of STS in a region; an empty signer: it does not sign.
  std::function<AwsClient(const std::string& region, Signer signer)> sts;
  // The region of STS where neither profile nor environment has one of the same partition.
  std::string sts_region;
  // Where AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is relative to.
  std::string container_host = "http://169.254.170.2";
};

// Finds the credentials of a profile; with none named, the first of: keys in the environment,
// profile AWS_PROFILE or "default" with a role, AWS_ROLE_ARN with a web identity, that profile's
// keys in the shared credentials file, its credential_process, its keys in the config file, the
// container's, the machine's (IMDSv2). A profile that is named leaves keys and web identity of the
// environment aside. Files are read anew each time. Throws Error(kConfig) that says where it looked
// and what was wrong, or AwsError if asking for them failed; no secret is in the message.
FoundCredentials find_credentials(const std::string& profile, const CredentialWorld& world);

// The region of STS for a profile: its own, else AWS_REGION, else AWS_DEFAULT_REGION, if of the
// same partition as `world.sts_region`; else that.
std::string sts_region(const std::string& profile, const CredentialWorld& world);

// Throws Error(kConfig) unless credentials may be fetched there: from anywhere by https, by http
// from this machine and from the addresses where Amazon ECS and EKS have them.
void check_container_url(const std::string& url);

}  // namespace usaged::net
