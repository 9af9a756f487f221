#pragma once

#include <string>
#include <string_view>

#include "core/time.h"
#include "net/http.h"

// AWS Signature Version 4, in the stages of AWS's documentation ("Create a signed AWS API
// request"), each of which can be compared with its examples.
namespace usaged::net::sigv4 {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: none
};

struct Scope {
  core::Time time;
  std::string region;
  std::string service;
};

// What is signed. `path` and `query` are as they go over the wire; the query is without "?".
struct Request {
  std::string method;
  std::string path;
  std::string query;
  Headers headers;  // in any order and case; must hold host
  std::string body;
};

// Not signed: headers that proxies and clients on the way change.
bool is_signed(std::string_view lower_name);

// "host;x-amz-date": the names of the headers that are signed, in order.
std::string signed_headers(const Headers& headers);

// The path is normalised ("." and "..", double slashes) and percent-encoded once more, as for every
// service but S3. If `headers_to_sign` is not empty, only those are used (as a verifier must).
std::string canonical_request(const Request& request, const std::string& headers_to_sign = "");

// "20150830/us-east-1/service/aws4_request"
std::string credential_scope(const Scope& scope);
std::string string_to_sign(const Scope& scope, const std::string& canonical_request);
// HMAC chain over date, region and service; 32 raw bytes.
std::string signing_key(const Scope& scope, const std::string& secret_access_key);
// 64 hexadecimal digits.
std::string signature(const Scope& scope, const std::string& secret_access_key,
                      const std::string& string_to_sign);

// Puts x-amz-date, x-amz-security-token (if there is a session token) and authorization among the
// headers of the request, in place of any that are there.
void sign(Request& request, const Scope& scope, const Credentials& credentials);

}  // namespace usaged::net::sigv4
