// The parameters of a question.
#include "web/query.h"

#include "fuzz/fuzz.h"

using namespace usaged;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  fuzz::accepted([&] { web::percent_decode(text, true); });
  const core::Time now = core::from_unix(1772366400);
  const auto each = [&](const auto& take) {
    fuzz::accepted([&] {
      web::Query query(text);
      take(query);
      query.finish();
    });
  };
  each([&](web::Query& query) { query.time("a", now); });
  each([&](web::Query& query) { query.duration("a"); });
  each([&](web::Query& query) { query.amount("a"); });
  each([&](web::Query& query) {
    const auto number = query.number("a", -5, 500);
    fuzz::require(!number || (*number >= -5 && *number <= 500));
  });
  each([&](web::Query& query) { query.step("a"); });
  each([&](web::Query& query) { query.choice("a", {"b", "c"}); });
  each([&](web::Query& query) { query.filter(); });
  each([&](web::Query& query) {
    query.group_by();
    query.metric();
  });
  return 0;
}
