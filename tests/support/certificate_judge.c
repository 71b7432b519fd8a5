/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * certificate_judge [options] CHAIN.pem: the facts of a chain as a server would send it
 * (leaf first), and what the checks say, as one JSON document.
 *
 *   --store S     as option TrustStore (default none)
 *   --public      as if the store's anchors were publicly trusted
 *   --crl FILE    as option CrlFile
 *   --host NAME   whom the leaf must be for (default www.example.go.jp)
 *   --at INSTANT  of verification and judgement (default now)
 *   --profile P   default cryptrec-ls0001-2022r2
 *   --data DIR    schemas/
 *   --staple JSON member ocsp_staple of the chain's facts
 */

#include "common/base/clock.h"
#include "common/report/json.h"
#include "common/tls/certificate.h"
#include "posture_crypto/tls_checks.h"

#include <openssl/pem.h>

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct posture_check_set *const sets[] = {&posture_tls_checks, NULL};

static int die(const char *what, const struct posture_error *error)
{
    fprintf(stderr, "certificate_judge: %s: %s\n", what, error ? error->text : "");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"store", 1, NULL, 's'}, {"public", 0, NULL, 'p'}, {"crl", 1, NULL, 'c'},
        {"host", 1, NULL, 'h'},  {"at", 1, NULL, 'a'},     {"profile", 1, NULL, 'P'},
        {"data", 1, NULL, 'd'},  {"staple", 1, NULL, 'S'}, {0},
    };
    const char *store = "none", *crl = NULL, *profile_id = "cryptrec-ls0001-2022r2";
    const char *data_dir = POSTURE_SOURCE_DIR "/schemas", *staple = NULL;
    struct posture_tls_chain_input input = {.host = "www.example.go.jp"};
    struct posture_error error = {0};
    bool is_public = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 's':
            store = optarg;
            break;
        case 'p':
            is_public = true;
            break;
        case 'c':
            crl = optarg;
            break;
        case 'h':
            input.host = optarg;
            break;
        case 'a':
            if (posture_at_parse(optarg, &input.at_ns, &error) < 0)
                return die(optarg, &error);
            break;
        case 'P':
            profile_id = optarg;
            break;
        case 'd':
            data_dir = optarg;
            break;
        case 'S':
            staple = optarg;
            break;
        default:
            return 2;
        }
    }
    unsigned char address[16];
    input.is_literal = inet_pton(AF_INET, input.host, address) == 1 ||
                       inet_pton(AF_INET6, input.host, address) == 1;
    BIO *bio = optind < argc ? BIO_new_file(argv[optind], "r") : NULL;
    if (!bio)
        return die("no chain", NULL);
    struct posture_tls_der chain[POSTURE_TLS_CERTIFICATES_MAX];
    char *name = NULL, *header = NULL;
    unsigned char *bytes = NULL;
    long len = 0;
    while (input.count < POSTURE_COUNT(chain) &&
           PEM_read_bio(bio, &name, &header, &bytes, &len)) {
        OPENSSL_free(name);
        OPENSSL_free(header);
        chain[input.count++] = (struct posture_tls_der){bytes, (size_t)len};
    }
    BIO_free(bio);
    input.certificates = chain;

    struct posture_tls_trust *trust = NULL;
    if (posture_tls_trust_load(store, &trust, &error) < 0)
        return die(store, &error);
    if (crl && posture_tls_crls_load(crl, &input.crls, &error) < 0)
        return die(crl, &error);
    struct posture_profile *profile = NULL;
    if (posture_profile_load(data_dir, profile_id, &profile, &error) < 0)
        return die(profile_id, &error);
    input.trust = trust;
    size_t budget = 128 * 1024;
    bool is_bad = false;
    json_t *facts = posture_tls_chain_facts(&input, &budget, &is_bad);
    json_t *chains = json_array();
    json_t *verification = json_object_get(facts, "verification");
    if (is_public && json_object_get(verification, "public"))
        json_object_set_new(verification, "public", json_true());
    if (facts && staple)
        json_object_set_new(facts, "ocsp_staple", json_loads(staple, 0, NULL));
    if (facts)
        json_array_append_new(chains, facts);
    json_t *endpoint = json_pack("{s:s,s:b,s:[s],s:{s:[s]},s:o}", "address", "192.0.2.1",
                                 "reachable", 1, "versions", "TLSv1.3", "suites",
                                 "TLSv1.3", "TLS_AES_128_GCM_SHA256", "chains", chains);
    if (!facts)
        json_object_set_new(endpoint, "incomplete", json_pack("[s]", "chains"));
    json_t *tls = json_pack("{s:s,s:i,s:[o]}", "host", input.host, "port", 443,
                            "endpoints", endpoint);
    struct posture_results results = {0};
    int64_t at_ns = input.at_ns ? input.at_ns : posture_now_ns();
    if (posture_judge(sets, "tls", tls, NULL, profile, at_ns, &results) < 0)
        return die("judge", NULL);
    json_t *all = json_pack("{s:o,s:o}", "facts", tls, "results",
                            posture_results_to_json(&results));
    json_dumpf(all, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(all);
    posture_results_done(&results);
    posture_profile_free(profile);
    posture_tls_crls_free(input.crls);
    posture_tls_trust_free(trust);
    for (size_t i = 0; i < input.count; i++)
        OPENSSL_free((void *)(uintptr_t)chain[i].bytes);
    return 0;
}
