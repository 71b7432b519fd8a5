# SPDX-License-Identifier: MIT
# Copyright The posture authors
#
# Pages, metrics and the HTTP server of posture_criteria. posture_criteria_pages is pure (also what a report file is
# written with); posture_criteria_web serves it.
pkg_check_modules(GNUTLS QUIET IMPORTED_TARGET gnutls)
posture_add_library(posture_criteria_pages SOURCES
    metrics.c
    not_passing.c
    page.c
    page_entries.c
    page_html.c
    page_model.c
    page_parts.c
    page_problems.c
    page_shell.c
    page_style.c
    page_text.c
    LIBS posture_report PkgConfig::JANSSON
    PRIVATE_LIBS m)
target_compile_definitions(posture_criteria_pages PRIVATE POSTURE_VERSION="${PROJECT_VERSION}")
if(TARGET PkgConfig::MHD AND TARGET PkgConfig::GNUTLS)
    posture_add_library(posture_criteria_web SOURCES
        http.c
        http_cache.c
        http_request.c
        http_settings.c
        LIBS posture_criteria_pages PkgConfig::UV
        PRIVATE_LIBS PkgConfig::GNUTLS PkgConfig::MHD PkgConfig::OPENSSL)
else()
    posture_skip("posture_criteria_web" "libmicrohttpd or GnuTLS is missing")
endif()
if(TARGET posture_criteria_web AND BUILD_TESTING AND CMOCKA_FOUND)
    posture_add_test(criteria_page_test SOURCES page_test.c LIBS posture_criteria_pages)
    posture_add_test(criteria_metrics_test SOURCES metrics_test.c LIBS posture_criteria_pages)
    posture_add_test(criteria_http_request_test SOURCES http_request_test.c LIBS posture_criteria_web)
    # The server with a file instead of a broker, for tests of pages, metrics and boards; not installed.
    posture_add_executable(nation_serve SOURCES "${PROJECT_SOURCE_DIR}/tests/support/nation_serve.c"
        LIBS posture_criteria_web)
    posture_add_pytest(criteria_web LABEL integration TIMEOUT 600
        FILES "${PROJECT_SOURCE_DIR}/tests/integration/test_web.py")
endif()
