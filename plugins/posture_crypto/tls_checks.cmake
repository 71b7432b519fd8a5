# SPDX-License-Identifier: MIT
# Copyright The posture authors
#
# The pure half of the plugin: facts → results. No socket, no collectd, no OpenSSL.
posture_add_library(posture_crypto_checks
    SOURCES
        host_age_checks.c
        host_care_checks.c
        host_checks.c
        host_disk_checks.c
        host_library_checks.c
        host_software_checks.c
        host_sshd_algorithm_checks.c
        host_sshd_checks.c
        host_time_checks.c
        host_wlan_checks.c
        tls_cert_checks.c
        tls_cert_form_checks.c
        tls_cert_name_checks.c
        tls_cert_public_checks.c
        tls_cert_revocation_checks.c
        tls_cert_rules_checks.c
        tls_cert_usage_checks.c
        tls_checks.c
        tls_facts.c
        tls_feature_checks.c
        tls_group_checks.c
        tls_starttls_checks.c
        tls_strength_checks.c
        tls_suite_checks.c
        tls_types.c
        tls_version_checks.c
        web_checks.c
    LIBS posture_checks)

posture_add_test(tls_checks_test SOURCES tls_checks_test.c LIBS posture_crypto_checks)
posture_add_test(tls_profiles_test SOURCES tls_profiles_test.c LIBS posture_crypto_checks)

# One test per folder of testdata/: facts.json, at, profile [, declared.json] → the results that
# expected.json lists.
add_executable(tls_checks_golden tls_checks_golden.c)
target_compile_definitions(tls_checks_golden PRIVATE POSTURE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_link_libraries(tls_checks_golden PRIVATE posture_crypto_checks
    posture::warnings posture::sanitize)
file(GLOB cases CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/testdata/*/at")
foreach(case ${cases})
    get_filename_component(folder "${case}" DIRECTORY)
    get_filename_component(name "${folder}" NAME)
    add_test(NAME tls_checks_golden.${name} COMMAND tls_checks_golden "${folder}")
    set_tests_properties(tls_checks_golden.${name} PROPERTIES LABELS golden TIMEOUT 20)
endforeach()
