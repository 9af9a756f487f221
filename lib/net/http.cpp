#include "net/http.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <mutex>

#include "core/error.h"
#include "core/text.h"

namespace usaged::net {
namespace {

constexpr long kConnectTimeoutMs = 10000;

struct Transfer {
  HttpReply* reply;
  std::size_t most;
  const std::atomic<bool>* stop;
  bool too_large = false;
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.reply->body.size() + size > transfer.most) {
    transfer.too_large = true;
    return 0;
  }
  transfer.reply->body.append(data, size);
  return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& headers = static_cast<Transfer*>(user)->reply->headers;
  const std::string_view line(data, size);
  // A new status line begins the headers anew: those before belonged to a 1xx.
  if (line.starts_with("HTTP/")) headers.clear();
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    headers.emplace(core::lower(core::trim(line.substr(0, colon))),
                    std::string(core::trim(line.substr(colon + 1))));
  }
  return size;
}

int check_stop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* stop = static_cast<Transfer*>(user)->stop;
  return stop != nullptr && stop->load() ? 1 : 0;
}

TransportFailure failure_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return TransportFailure::kTimeout;
    case CURLE_ABORTED_BY_CALLBACK:
      return TransportFailure::kStopped;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return TransportFailure::kBadUrl;
    default:
      return TransportFailure::kNetwork;
  }
}

// Called before a connection is made, after the name was resolved; CURL_SOCKET_BAD refuses.
curl_socket_t open_unless_link(void* user, curlsocktype, curl_sockaddr* address) {
  if (is_link_address(&address->addr)) {
    *static_cast<bool*>(user) = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype, address->protocol);
}

void initialize_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

}  // namespace

HttpRequest local_request(const std::string& url, const std::string& path) {
  constexpr std::string_view kUnix = "unix:";
  HttpRequest request;
  request.direct = true;
  if (url.starts_with(kUnix)) {
    request.unix_socket = url.substr(kUnix.size());
    request.url = "http://localhost" + path;
  } else {
    request.url = url + path;
  }
  return request;
}

std::string HttpReply::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

std::optional<std::int64_t> HttpReply::number(const std::string& name) const {
  const std::string text = header(name);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<core::Time> HttpReply::date(const std::string& name) const {
  try {
    return core::parse_http_date(header(name));
  } catch (const core::Error&) {
    return std::nullopt;
  }
}

bool is_link_address(const void* address) {
  sockaddr_storage storage{};
  sockaddr base{};
  std::memcpy(&base, address, sizeof base);
  if (base.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    return (ntohl(v4.sin_addr.s_addr) >> 16U) == 0xA9FEU;
  }
  if (base.sa_family != AF_INET6) return false;
  std::memcpy(&storage, address, sizeof(sockaddr_in6));
  std::array<unsigned char, 16> bytes{};
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, 16);
  constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) {
    return bytes[12] == 169 && bytes[13] == 254;
  }
  if (bytes[0] == 0xFE && (bytes[1] & 0xC0U) == 0x80U) return true;
  return bytes[0] == 0xFD && bytes[1] == 0x00 && bytes[2] == 0x0E && bytes[3] == 0xC2;
}

struct CurlClient::Handle {
  CURL* easy = nullptr;
  ~Handle() { curl_easy_cleanup(easy); }
};

CurlClient::CurlClient(const std::atomic<bool>* stop, std::string user_agent, std::string ca_bundle)
    : handle_(std::make_unique<Handle>()),
      stop_(stop),
      user_agent_(std::move(user_agent)),
      ca_bundle_(std::move(ca_bundle)) {
  initialize_curl();
  handle_->easy = curl_easy_init();
  if (handle_->easy == nullptr) {
    throw core::Error(core::ErrorCode::kInternal, "libcurl can't be initialised");
  }
}

CurlClient::~CurlClient() = default;

HttpReply CurlClient::send(const HttpRequest& request) {
  CURL* easy = handle_->easy;
  curl_easy_reset(easy);
  HttpReply reply;
  Transfer transfer{&reply, request.most_reply_bytes, stop_};
  std::string error(CURL_ERROR_SIZE, '\0');

  curl_slist* list = nullptr;
  for (const auto& [name, value] : request.headers) {
    // With an empty value libcurl wants a semicolon, or it would leave the header out.
    const std::string line = value.empty() ? name + ";" : name + ": " + value;
    list = curl_slist_append(list, line.c_str());
  }
  list = curl_slist_append(list, "Expect:");
  if (request.body.empty()) list = curl_slist_append(list, "Content-Type:");
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                            curl_slist_free_all);

  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent_.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error.data());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, check_stop);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &transfer);
  if (!request.unix_socket.empty()) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  if (request.direct) curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  const std::string& authorities = request.ca_file.empty() ? ca_bundle_ : request.ca_file;
  if (!authorities.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, authorities.c_str());
  bool refused = false;
  if (request.refuse_link) {
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_unless_link);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &refused);
  }
  if (request.method != "GET") {
    // With a Content-Length, even of 0, which servers that read a PUT's body wait for.
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }

  const CURLcode code = curl_easy_perform(easy);
  if (code == CURLE_OK) {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    reply.status = static_cast<int>(status);
    return reply;
  }
  reply.failure = transfer.too_large ? TransportFailure::kTooLarge
                  : refused          ? TransportFailure::kRefused
                                     : failure_of(code);
  reply.failure_text = refused ? "the address is one of the link, or of instance metadata: refused"
                       : transfer.too_large
                           ? fmt::format("the reply is larger than {} bytes", transfer.most)
                       : error.front() != '\0' ? std::string(error.c_str())
                                               : std::string(curl_easy_strerror(code));
  reply.body.clear();
  reply.headers.clear();
  return reply;
}

}  // namespace usaged::net
