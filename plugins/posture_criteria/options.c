/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/options.h"

#include "common/base/options_common.h"

#include <string.h>

#define SETTINGS struct posture_criteria_settings

static const struct posture_option plugin_options[] = {
    {"Registry", POSTURE_OPT_STRING, offsetof(SETTINGS, registry), .is_required = true,
     .help = "JSON file that says who is evaluated and what is expected of each; the "
             "worker's "
             "user must be able to read it.",
     .sample = "/etc/posture/registry.json"},
    {"Catalogue", POSTURE_OPT_STRING, offsetof(SETTINGS, catalogue), .def = "first",
     .help =
         "Criteria catalogue: the id of an installed one, or the path of a JSON file."},
    {"Profile", POSTURE_OPT_STRING, offsetof(SETTINGS, profile),
     .def = "cryptrec-ls0001-2022r2",
     .help =
         "Profile that facts are judged by: the id of an installed one, or the path of a "
         "JSON file."},
    {"Group", POSTURE_OPT_STRING, offsetof(SETTINGS, group), .def = "posture-criteria",
     .help = "Consumer group of the gate; centres that share the work have the same."},
    {"Instance", POSTURE_OPT_STRING, offsetof(SETTINGS, instance),
     .help = "Name of this centre within the group, by which it has its partitions back "
             "at once "
             "after a restart; by default the host's name. No two may have the same.",
     .sample = "centre1"},
    {"EvaluateInterval", POSTURE_OPT_SECONDS, offsetof(SETTINGS, evaluate_interval_ns),
     .min = 0.1, .max = 3600, .def = "5", .unit = "seconds",
     .help = "How long changes are gathered before they are evaluated."},
    {"Listen", POSTURE_OPT_STRING, offsetof(SETTINGS, listen), .def = "[::1]:9475",
     .help =
         "Address and port of the pages and of /metrics, or none; an address other than "
         "loopback needs ListenTLSCert and a client CA or a token."},
    {"ListenTLSCert", POSTURE_OPT_FILE, offsetof(SETTINGS, listen_cert),
     .help = "PEM file with the certificate of the pages and its chain.",
     .sample = "/etc/posture/page.pem"},
    {"ListenTLSKey", POSTURE_OPT_SECRET_FILE, offsetof(SETTINGS, listen_key),
     .help =
         "PEM file with the private key of ListenTLSCert; owner root, mode 0600 or 0400.",
     .sample = "/etc/posture/page.key"},
    {"ListenClientCA", POSTURE_OPT_FILE, offsetof(SETTINGS, listen_client_ca),
     .help =
         "PEM file with the authorities whose client certificates may read the pages.",
     .sample = "/etc/posture/readers-ca.pem"},
    {"ListenTokenFile", POSTURE_OPT_SECRET_FILE, offsetof(SETTINGS, listen_token),
     .help = "File with the token that readers must send as Bearer or as Basic password; "
             "owner "
             "root, mode 0600 or 0400.",
     .sample = "/etc/posture/page.token"},
    {"ListenName", POSTURE_OPT_LIST, offsetof(SETTINGS, listen_names),
     .help = "A host name by which readers ask for the pages, beside the address.",
     .sample = "posture.example.go.jp"},
    POSTURE_KAFKA_OPTIONS(SETTINGS, kafka),
    POSTURE_COMMON_OPTIONS(SETTINGS, "posture", "10"),
    {0},
};

static int plugin_check(const void *values, const char *argument,
                        struct posture_error *reterr)
{
    const struct posture_criteria_settings *settings = values;
    (void)argument;
    POSTURE_TRY(posture_kafka_settings_check(&settings->kafka, reterr));
    if (!settings->listen_cert.index != !settings->listen_key.index)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "ListenTLSCert and ListenTLSKey: expected both or neither");
    if (settings->group[0] == '\0')
        return posture_error_set(reterr, POSTURE_E_OPTION, "Group: expected a name");
    return 0;
}

static const struct posture_option_block blocks[] = {
    {.size = sizeof(SETTINGS), .options = plugin_options, .check = plugin_check},
    {0},
};

const struct posture_option_table posture_criteria_options = {
    .plugin = "posture_criteria",
    .blocks = blocks,
};
