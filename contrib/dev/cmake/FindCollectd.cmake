# SPDX-License-Identifier: MIT
# Copyright The posture authors
#
# Finds the plugin headers of collectd 5.12 (package collectd-dev). collectd ships neither
# a pkg-config file nor a CMake package, so this probes.
#
#   Collectd_FOUND, Collectd_VERSION, Collectd_PLUGIN_DIR
#   collectd::plugin   INTERFACE target: include path and definitions
find_path(Collectd_INCLUDE_DIR collectd/core/daemon/plugin.h)
find_program(Collectd_DAEMON collectd HINTS /usr/sbin /usr/local/sbin)
set(Collectd_PLUGIN_DIR "" CACHE PATH "Where collectd loads plugins from")
if(NOT Collectd_PLUGIN_DIR)
    foreach(dir /usr/lib/collectd /usr/lib64/collectd /usr/local/lib/collectd)
        if(IS_DIRECTORY "${dir}")
            set(Collectd_PLUGIN_DIR "${dir}" CACHE PATH "Where collectd loads plugins from" FORCE)
            break()
        endif()
    endforeach()
endif()
if(Collectd_INCLUDE_DIR AND EXISTS "${Collectd_INCLUDE_DIR}/collectd/core/config.h")
    file(STRINGS "${Collectd_INCLUDE_DIR}/collectd/core/config.h" _line REGEX "#define PACKAGE_VERSION")
    string(REGEX REPLACE ".*\"([0-9]+\\.[0-9]+\\.[0-9]+)[^\"]*\".*" "\\1" Collectd_VERSION "${_line}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Collectd REQUIRED_VARS Collectd_INCLUDE_DIR VERSION_VAR Collectd_VERSION)
if(Collectd_FOUND AND NOT TARGET collectd::plugin)
    add_library(collectd::plugin INTERFACE IMPORTED)
    target_include_directories(collectd::plugin SYSTEM INTERFACE
        "${Collectd_INCLUDE_DIR}/collectd/core" "${Collectd_INCLUDE_DIR}/collectd"
        "${Collectd_INCLUDE_DIR}/collectd/core/daemon")
    target_compile_definitions(collectd::plugin INTERFACE HAVE_CONFIG_H)
endif()
mark_as_advanced(Collectd_INCLUDE_DIR Collectd_DAEMON Collectd_PLUGIN_DIR)
