#include "net/mail.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/text.h"

namespace usaged::net {
namespace {

constexpr long kTimeoutMs = 30000;
constexpr long kConnectTimeoutMs = 10000;

int check_stop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* stop = static_cast<const std::atomic<bool>*>(user);
  return stop != nullptr && stop->load() ? 1 : 0;
}

std::size_t ignore(char*, std::size_t, std::size_t size, void*) { return size; }

std::string domain_of(const std::string& mailbox) { return mailbox.substr(mailbox.find('@') + 1); }

// RFC 5322's date: HTTP's, with a zone in digits.
std::string mail_date(core::Time now) {
  std::string date = core::format_http_date(now);
  return date.replace(date.size() - 3, 3, "+0000");
}

void add_part(curl_mime* mime, const std::string& text, const char* type) {
  curl_mimepart* part = curl_mime_addpart(mime);
  curl_mime_data(part, text.data(), text.size());
  curl_mime_type(part, type);
  curl_mime_encoder(part, "quoted-printable");
}

}  // namespace

std::string encoded_header(const std::string& text) {
  const bool ascii = std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
  if (ascii) return text;
  // A word has 75 characters at most, and holds whole ones.
  constexpr std::size_t kBytes = 42;
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.size(), at + kBytes);
    while (end < text.size() && end > at + 1 &&
           (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
      --end;
    }
    result += (result.empty() ? "" : " ") +
              ("=?utf-8?B?" + core::base64(text.substr(at, end - at))) + "?=";
    at = end;
  }
  return result;
}

DeliveryResult send_mail(const Mail& mail, const std::atomic<bool>* stop) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(),
                                                                   curl_easy_cleanup);
  CURL* easy = handle.get();
  std::string error(CURL_ERROR_SIZE, '\0');

  curl_slist* list = nullptr;
  for (const std::string& line :
       {"Date: " + mail_date(mail.now), "From: <" + mail.from + ">",
        "To: " + core::join(mail.to, ", "), "Subject: " + encoded_header(mail.subject),
        fmt::format("Message-ID: <{}@{}>", mail.id, domain_of(mail.from)),
        std::string("Auto-Submitted: auto-generated"),
        std::string("Content-Type: multipart/alternative")}) {
    list = curl_slist_append(list, line.c_str());
  }
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                            curl_slist_free_all);
  curl_slist* mailboxes = nullptr;
  for (const std::string& to : mail.to) mailboxes = curl_slist_append(mailboxes, to.c_str());
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> recipients(mailboxes,
                                                                               curl_slist_free_all);

  const std::unique_ptr<curl_mime, decltype(&curl_mime_free)> mime(curl_mime_init(easy),
                                                                   curl_mime_free);
  add_part(mime.get(), mail.text, "text/plain; charset=utf-8");
  add_part(mime.get(), mail.html, "text/html; charset=utf-8");

  curl_easy_setopt(easy, CURLOPT_URL, mail.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error.data());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, kTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_USE_SSL,
                   static_cast<long>(mail.tls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  if (!mail.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, mail.ca_file.c_str());
  if (!mail.username.empty()) {
    curl_easy_setopt(easy, CURLOPT_USERNAME, mail.username.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, mail.password.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_MAIL_FROM, mail.from.c_str());
  curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime.get());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, check_stop);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(stop));

  const CURLcode code = curl_easy_perform(easy);
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  DeliveryResult result;
  if (code == CURLE_OK) {
    result.delivered = true;
    result.answer = fmt::format("SMTP {}", status);
    return result;
  }
  result.error =
      error.front() != '\0' ? std::string(error.c_str()) : std::string(curl_easy_strerror(code));
  // After a refusal libcurl may say no more than what failed.
  if (status >= 400) result.error = fmt::format("SMTP {}: {}", status, result.error);
  result.answer = result.error;
  const bool bad_url = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
  // That a server has no TLS or is not trusted is said of the connection, and may be mended.
  result.retry = !bad_url && status < 500;
  return result;
}

}  // namespace usaged::net
