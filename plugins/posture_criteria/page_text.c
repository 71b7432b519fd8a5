/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/page_text.h"

#include <string.h>

struct words {
    const char *text[POSTURE_LANG_COUNT];
};
#define WORDS(english, japanese)                                                         \
    {                                                                                    \
        {                                                                                \
            [POSTURE_LANG_EN] = (english), [POSTURE_LANG_JA] = (japanese)                \
        }                                                                                \
    }

static const struct words texts[POSTURE_TEXT_COUNT] = {
    [POSTURE_TEXT_ACHIEVED] = WORDS("Achieved", "達成率"),
    [POSTURE_TEXT_AGENCIES] = WORDS("Agencies", "機関"),
    [POSTURE_TEXT_AGENCIES_MEETING] =
        WORDS("agencies meet every target", "機関がすべての目標を達成"),
    [POSTURE_TEXT_AGENCIES_N] = WORDS("{} agencies", "{}機関"),
    [POSTURE_TEXT_AGENCY] = WORDS("Agency", "機関"),
    [POSTURE_TEXT_AGE_OF_DATA] = WORDS("Age of data", "データの鮮度"),
    [POSTURE_TEXT_AGO] = WORDS("{} ago", "{}前"),
    [POSTURE_TEXT_ALL_AGENCIES] = WORDS("Show all {} agencies", "全{}機関を表示"),
    [POSTURE_TEXT_ALL_MET] = WORDS("Every target is met", "すべての目標を達成"),
    [POSTURE_TEXT_AND_MORE] = WORDS("and {} more", "ほか{}件"),
    [POSTURE_TEXT_AREA] = WORDS("Area", "領域"),
    [POSTURE_TEXT_AREAS_AND_AGENCIES] =
        WORDS("Areas and agencies against their targets", "領域・機関別の目標達成状況"),
    [POSTURE_TEXT_AS_OF] = WORDS("As of", "基準時刻"),
    [POSTURE_TEXT_BACK] = WORDS("National overview", "全国の概況"),
    [POSTURE_TEXT_CHECKS] = WORDS("What is asked of every subject", "対象ごとの確認項目"),
    [POSTURE_TEXT_CHECK_VALUE_MIN] = WORDS("at least {}", "{} 以上"),
    [POSTURE_TEXT_COVERAGE] = WORDS("Coverage", "計測率"),
    [POSTURE_TEXT_CRITERION] = WORDS("Criterion", "評価指標"),
    [POSTURE_TEXT_DAYS_LEFT] = WORDS("{} days left", "残り{}日"),
    [POSTURE_TEXT_DO] = WORDS("What to do", "対処"),
    [POSTURE_TEXT_DUPLICATES] = WORDS("Duplicates dropped", "重複を除去"),
    [POSTURE_TEXT_EMPTY] = WORDS("Nothing is evaluated yet", "評価対象がまだありません"),
    [POSTURE_TEXT_EMPTY_HELP] =
        WORDS("The registry names no agency, or the catalogue no criterion. Add agencies "
              "to the "
              "registry; evaluation starts with their first report.",
              "登録簿に機関がないか、評価指標がありません。登録簿に機関を追加すると、最初"
              "の報告から評価が始まります。"),
    [POSTURE_TEXT_EXAMPLE] = WORDS("For example:", "例："),
    [POSTURE_TEXT_EXCEPTED] = WORDS("exception on record", "例外の登録あり"),
    [POSTURE_TEXT_EXCEPTIONS] =
        WORDS("Exceptions on record: shown, never counted as a pass",
              "登録済みの例外（表示のみ。達成には数えません）"),
    [POSTURE_TEXT_EXPECTED] = WORDS("expected", "対象"),
    [POSTURE_TEXT_EXPIRED] = WORDS("expired", "期限切れ"),
    [POSTURE_TEXT_EXPIRES] = WORDS("Expires", "期限"),
    [POSTURE_TEXT_FAILS] =
        WORDS("What keeps targets from being met", "達成を妨げているもの"),
    [POSTURE_TEXT_IN_N_CRITERIA] = WORDS("holds back", "影響する指標"),
    [POSTURE_TEXT_LAST_REPORT] = WORDS("Last report", "最終報告"),
    [POSTURE_TEXT_LEGEND] = WORDS("Legend", "凡例"),
    [POSTURE_TEXT_LISTS_CUT] = WORDS(
        "Some lists were cut: the counts below are lower bounds. The ratios are exact.",
        "一覧の一部は省略されています。以下の件数は下限値です（比率は正確です）。"),
    [POSTURE_TEXT_MEETING] = WORDS("agencies on target", "機関が達成"),
    [POSTURE_TEXT_METRICS] = WORDS("Metrics", "メトリクス"),
    [POSTURE_TEXT_MODEL_OLD] = WORDS("This page is {} old", "この表示は{}前のものです"),
    [POSTURE_TEXT_MODEL_OLD_HELP] = WORDS("The centre has published nothing newer. Check "
                                          "the criteria worker and the broker.",
                                          "センターから新しい評価が届いていません。評価ワ"
                                          "ーカーとブローカーを確認してください。"),
    [POSTURE_TEXT_NEWEST] = WORDS("Newest report", "最新の報告"),
    [POSTURE_TEXT_NOTHING_FAILS] = WORDS("Nothing to list: every expected subject passes",
                                         "該当なし：すべての対象が合格しています"),
    [POSTURE_TEXT_NOT_FOUND] = WORDS("There is no such page", "ページがありません"),
    [POSTURE_TEXT_NOT_FOUND_HELP] =
        WORDS("The agency, area or criterion is not in the registry or the catalogue.",
              "その機関・領域・評価指標は登録されていません。"),
    [POSTURE_TEXT_NO_REPORT] = WORDS("no report yet", "報告なし"),
    [POSTURE_TEXT_OF_MEASURED] = WORDS("of measured", "計測済みのうち"),
    [POSTURE_TEXT_OLDEST] = WORDS("Oldest report in use", "使用中の最古の報告"),
    [POSTURE_TEXT_OWNER] = WORDS("Owner", "責任者"),
    [POSTURE_TEXT_PRODUCT] = WORDS("posture", "posture"),
    [POSTURE_TEXT_PROFILE] = WORDS("Judged by", "判定基準"),
    [POSTURE_TEXT_QUESTION] = WORDS("Question", "確認内容"),
    [POSTURE_TEXT_REASON] = WORDS("Reason", "理由"),
    [POSTURE_TEXT_RECOMMENDATION] = WORDS("Recommendation", "勧告"),
    [POSTURE_TEXT_REJECTED] = WORDS("Refused by the gate", "受理拒否"),
    [POSTURE_TEXT_REPORTED] = WORDS("reported {}", "報告 {}"),
    [POSTURE_TEXT_REPORTER] = WORDS("Reporter", "報告元"),
    [POSTURE_TEXT_ROLL_UP] = WORDS("Area as a whole", "領域全体"),
    [POSTURE_TEXT_SHOW] = WORDS("Where and why", "該当箇所と理由"),
    [POSTURE_TEXT_SINCE] = WORDS("Since", "発生日"),
    [POSTURE_TEXT_SOURCE] = WORDS("Source", "根拠"),
    [POSTURE_TEXT_STALE_DO] = WORDS(
        "Look at the agency's collectd and its link to the broker; the spool keeps "
        "reports "
        "until they are delivered.",
        "機関側の collectd "
        "とブローカーへの回線を確認してください。未送信の報告はスプールに残っています。"),
    [POSTURE_TEXT_STALE_WHY] = WORDS("The last report is too old to count.",
                                     "最後の報告が古く、評価に使えません。"),
    [POSTURE_TEXT_MISSING_DO] =
        WORDS("Add the subject to the agency's probe configuration, or correct the "
              "inventory in "
              "the registry.",
              "機関の計測設定に対象を追加するか、登録簿の対象一覧を修正してください。"),
    [POSTURE_TEXT_MISSING_WHY] =
        WORDS("The registry expects this subject; no report of it has arrived.",
              "登録簿にある対象ですが、報告が届いていません。"),
    [POSTURE_TEXT_SKIP] = WORDS("Skip to the agencies", "機関一覧へ移動"),
    [POSTURE_TEXT_STARTING] =
        WORDS("The first evaluation is being made", "最初の評価を行っています"),
    [POSTURE_TEXT_STARTING_HELP] = WORDS("The centre reads the state of the nation from "
                                         "the broker. This page reloads itself.",
                                         "センターがブローカーから最新状態を読み込んでい"
                                         "ます。このページは自動で更新されます。"),
    [POSTURE_TEXT_STATE_ABSENT] = WORDS("Does not apply", "対象外"),
    [POSTURE_TEXT_STATE_MET] = WORDS("Target met", "達成"),
    [POSTURE_TEXT_STATE_NOT_MET] = WORDS("Below target", "未達"),
    [POSTURE_TEXT_STATE_UNMEASURED] = WORDS("Not measured", "未計測"),
    [POSTURE_TEXT_SUBJECT] = WORDS("Subject", "対象"),
    [POSTURE_TEXT_SUBJECTS_N] = WORDS("{} subjects", "{}対象"),
    [POSTURE_TEXT_SUBJECTS_PASS] = WORDS("subjects", "対象"),
    [POSTURE_TEXT_TARGET] = WORDS("Target", "目標"),
    [POSTURE_TEXT_TITLE] =
        WORDS("National security posture", "情報セキュリティ対策 達成状況"),
    [POSTURE_TEXT_UNKNOWN_DO] =
        WORDS("Look at whether the reporter reaches the subject (service, firewall, "
              "name); what cannot "
              "be measured is not achieved.",
              "報告元から対象に到達できるか（サービス、ファイアウォール、名前）を確認して"
              "ください。計測できない対象は達成に数えません。"),
    [POSTURE_TEXT_UNREGISTERED] = WORDS("not in the registry", "登録簿にない対象"),
    [POSTURE_TEXT_WAITING] = WORDS("Waiting at the gate", "受理待ち"),
    [POSTURE_TEXT_WHAT] = WORDS("Problem", "問題"),
    [POSTURE_TEXT_WHERE] = WORDS("Where", "該当機関"),
};

static const struct words pass_words = WORDS("Passes", "合格");
static const struct words trouble_words[POSTURE_TROUBLE_COUNT] = {
    [POSTURE_TROUBLE_FAIL] = WORDS("Fails", "不合格"),
    [POSTURE_TROUBLE_MISSING] = WORDS("No report", "未報告"),
    [POSTURE_TROUBLE_STALE] = WORDS("Out of date", "期限超過"),
    [POSTURE_TROUBLE_UNKNOWN] = WORDS("Unknown", "判定不能"),
    [POSTURE_TROUBLE_WARN] = WORDS("Warning", "要注意"),
};

struct id_words {
    const char *id;
    struct words words;
};

static const struct id_words areas[] = {
    {"central-government", WORDS("Central government", "政府機関")},
    {"local-government", WORDS("Local government", "地方公共団体")},
    {"critical-infrastructure", WORDS("Critical infrastructure", "重要インフラ")},
    {"business", WORDS("Businesses", "企業")},
    {"individual", WORDS("Individuals", "個人")},
};

static const struct id_words classes[] = {
    {"ministry", WORDS("Ministry", "府省庁")},
    {"incorporated", WORDS("Incorporated agency", "独立行政法人等")},
    {"prefecture", WORDS("Prefecture", "都道府県")},
    {"municipality", WORDS("Municipality", "市区町村")},
    {"operator", WORDS("Operator", "重要インフラ事業者")},
    {"company", WORDS("Company", "企業")},
    {"survey-body", WORDS("Survey body", "調査機関")},
};

static const struct id_words sectors[] = {
    {"information-communications", WORDS("Information and communications", "情報通信")},
    {"finance", WORDS("Finance", "金融")},
    {"aviation", WORDS("Aviation", "航空")},
    {"airport", WORDS("Airports", "空港")},
    {"railway", WORDS("Railways", "鉄道")},
    {"electricity", WORDS("Electricity", "電力")},
    {"gas", WORDS("Gas", "ガス")},
    {"government-services", WORDS("Government services", "政府・行政サービス")},
    {"medical", WORDS("Medical services", "医療")},
    {"water", WORDS("Water", "水道")},
    {"logistics", WORDS("Logistics", "物流")},
    {"chemical", WORDS("Chemicals", "化学")},
    {"credit", WORDS("Credit", "クレジット")},
    {"petroleum", WORDS("Petroleum", "石油")},
    {"ports", WORDS("Ports", "港湾")},
};

static const char *id_text(const struct id_words *table, size_t count, const char *id,
                           enum posture_lang lang)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].id, id) == 0)
            return table[i].words.text[lang];
    }
    return id;
}

const char *posture_text(enum posture_text text, enum posture_lang lang)
{
    return texts[text].text[lang];
}

const char *posture_text_pass(enum posture_lang lang)
{
    return pass_words.text[lang];
}

const char *posture_text_trouble(enum posture_trouble trouble, enum posture_lang lang)
{
    return trouble_words[trouble].text[lang];
}

const char *posture_text_area(const char *id, enum posture_lang lang)
{
    return id_text(areas, POSTURE_COUNT(areas), id, lang);
}

const char *posture_text_class(const char *id, enum posture_lang lang)
{
    return id_text(classes, POSTURE_COUNT(classes), id, lang);
}

const char *posture_text_sector(const char *id, enum posture_lang lang)
{
    return id_text(sectors, POSTURE_COUNT(sectors), id, lang);
}
