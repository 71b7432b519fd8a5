# SPDX-License-Identifier: MIT
# Copyright The posture authors
#
# Facts of kind host: files beneath a root → facts. No loop, no collectd.
if(NOT MNL_FOUND)
    posture_skip("kind host of posture-crypto" "libmnl is missing (Debian: libmnl-dev)")
    return()
endif()
if(NOT SOLV_FOUND OR NOT SOLVEXT_FOUND OR NOT LZ4_FOUND)
    posture_skip("kind host of posture-crypto" "libsolv, libsolvext or liblz4 is missing (Debian: libsolv-dev, libsolvext-dev, liblz4-dev)")
    return()
endif()
posture_add_library(posture_crypto_host
    SOURCES
        host_backup.c
        host_block.c
        host_cnf.c
        host_control.c
        host_crypto_policy.c
        host_disks.c
        host_dm.c
        host_facts.c
        host_file_sharing.c
        host_gnutls.c
        host_inventory.c
        host_libraries.c
        host_malware.c
        host_mounts.c
        host_openssl.c
        host_os.c
        host_reboot.c
        host_root.c
        host_software.c
        host_sshd.c
        host_stream.c
        host_time.c
        host_updates.c
        host_wlan.c
        host_wlan_config.c
        host_wlan_netlink.c
        host_wlan_wire.c
    LIBS posture_report PkgConfig::LZ4 PkgConfig::MNL PkgConfig::SOLV PkgConfig::SOLVEXT)

posture_add_test(crypto_host_care_test SOURCES host_care_test.c LIBS posture_crypto_host)
posture_add_test(crypto_host_dm_test SOURCES host_dm_test.c LIBS posture_crypto_host)
posture_add_test(crypto_host_wlan_test SOURCES host_wlan_test.c LIBS posture_crypto_host)
posture_add_test(crypto_host_root_test SOURCES host_root_test.c LIBS posture_crypto_host)

# One system per folder of testdata/host/: tree [, sshd, dm-table] → facts.json, at,
# profile → expected.json.
add_executable(host_facts_golden host_facts_golden.c)
target_link_libraries(host_facts_golden PRIVATE posture_crypto_host
    posture::warnings posture::sanitize)
file(GLOB cases CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/testdata/host/*/tree")
foreach(case ${cases})
    get_filename_component(folder "${case}" DIRECTORY)
    get_filename_component(name "${folder}" NAME)
    add_test(NAME host_facts_golden.${name} COMMAND host_facts_golden "${folder}")
    set_tests_properties(host_facts_golden.${name} PROPERTIES LABELS golden TIMEOUT 20)
endforeach()
file(GLOB cases CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/testdata/host/*/at")
foreach(case ${cases})
    get_filename_component(folder "${case}" DIRECTORY)
    get_filename_component(name "${folder}" NAME)
    add_test(NAME host_checks_golden.${name} COMMAND tls_checks_golden "${folder}" --kind host)
    set_tests_properties(host_checks_golden.${name} PROPERTIES LABELS golden TIMEOUT 20)
endforeach()
