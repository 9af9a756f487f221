#include "app/versions.h"

#include <Poco/Environment.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <spdlog/version.h>
#include <sqlite3.h>

#include <nlohmann/json.hpp>

namespace usaged::app {
namespace {

// From here on SQLite no longer loses commits where two connections write and checkpoint a
// write-ahead log (https://www.sqlite.org/wal.html, "The WAL-Reset Bug").
constexpr int kWalResetFixed = 3051003;

}  // namespace

std::vector<LibraryVersion> library_versions() {
  LibraryVersion sqlite{"SQLite", sqlite3_libversion(), "", ""};
  if (sqlite3_libversion_number() < kWalResetFixed) {
    sqlite.fault = "loses commits where two connections write and checkpoint";
    sqlite.advice =
        "nothing, as long as no other program writes the database; use `backup`, not cp";
  }
  const std::uint32_t poco = Poco::Environment::libraryVersion();
  return {sqlite,
          {"libpq", fmt::format("{}.{}", PQlibVersion() / 10000, PQlibVersion() % 10000), "", ""},
          {"libcurl", curl_version_info(CURLVERSION_NOW)->version, "", ""},
          {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING), "", ""},
          {"Poco", fmt::format("{}.{}.{}", poco >> 24U, (poco >> 16U) & 255U, (poco >> 8U) & 255U),
           "", ""},
          {"fmt",
           fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100),
           "", ""},
          {"spdlog", fmt::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH),
           "", ""},
          {"nlohmann::json",
           fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                       NLOHMANN_JSON_VERSION_PATCH),
           "", ""}};
}

}  // namespace usaged::app
