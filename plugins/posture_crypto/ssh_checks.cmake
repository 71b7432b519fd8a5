# SPDX-License-Identifier: MIT
# Copyright The posture authors
#
# Kind ssh, the pure half: facts → results.
target_sources(posture_crypto_checks PRIVATE
    ssh_algorithm_checks.c
    ssh_algorithms.c
    ssh_checks.c
    ssh_facts.c
    ssh_protocol_checks.c)

# One case per folder of testdata/ssh/: facts.json, at, profile → expected.json.
file(GLOB cases CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/testdata/ssh/*/at")
foreach(case ${cases})
    get_filename_component(folder "${case}" DIRECTORY)
    get_filename_component(name "${folder}" NAME)
    add_test(NAME ssh_checks_golden.${name} COMMAND tls_checks_golden "${folder}" --kind ssh)
    set_tests_properties(ssh_checks_golden.${name} PROPERTIES LABELS golden TIMEOUT 20)
endforeach()
