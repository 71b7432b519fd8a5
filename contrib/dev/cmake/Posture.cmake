# SPDX-License-Identifier: MIT
# Copyright The posture authors
#
# The project's own build words: interface targets for warnings, sanitizers and hardening,
# and one function per thing that a folder can hold (library, plugin, worker, test, fuzz target).

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Collectd 5.12)
# tests/support/prepare makes build/venv, which sees Debian's Python packages too.
find_program(POSTURE_PYTHON python3
    PATHS "${CMAKE_SOURCE_DIR}/build/venv/bin" /usr/bin NO_DEFAULT_PATH)

# name = pkg-config module; the imported target is PkgConfig::<name>
set(POSTURE_LIBRARIES
    "JANSSON:jansson" "OPENSSL:openssl" "SQLITE:sqlite3" "RDKAFKA:rdkafka>=2.0.2" "UV:libuv" "CURL:libcurl"
    "DEVMAPPER:devmapper" "LZ4:liblz4" "MNL:libmnl" "SOLV:libsolv" "SOLVEXT:libsolvext"
    "MHD:libmicrohttpd" "SECCOMP:libseccomp" "CMOCKA:cmocka" "IDN:libidn2" "PCRE:libpcre2-8" "PSL:libpsl")
foreach(entry ${POSTURE_LIBRARIES})
    string(REGEX MATCH "^([A-Z0-9]+):(.+)$" _ "${entry}")
    set(_name "${CMAKE_MATCH_1}")
    set(_module "${CMAKE_MATCH_2}")
    if(POSTURE_REQUIRE_ALL)
        pkg_check_modules(${_name} REQUIRED QUIET IMPORTED_TARGET "${_module}")
    else()
        pkg_check_modules(${_name} QUIET IMPORTED_TARGET "${_module}")
    endif()
endforeach()
if(POSTURE_REQUIRE_ALL AND NOT Collectd_FOUND)
    message(FATAL_ERROR "collectd 5.12 headers are missing (Debian: collectd-dev)")
endif()
set_property(GLOBAL PROPERTY POSTURE_SKIPPED "")
if(BUILD_TESTING AND NOT CMOCKA_FOUND)
    set(BUILD_TESTING OFF)
    set_property(GLOBAL APPEND PROPERTY POSTURE_SKIPPED "tests: cmocka is missing (Debian: libcmocka-dev)")
endif()

add_library(posture_warnings INTERFACE)
add_library(posture::warnings ALIAS posture_warnings)
target_compile_options(posture_warnings INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
    -Wvla -Wimplicit-fallthrough -Wpointer-arith -Wundef -Wno-missing-field-initializers
    $<$<BOOL:${POSTURE_WERROR}>:-Werror>)
target_compile_definitions(posture_warnings INTERFACE
    _GNU_SOURCE $<$<CONFIG:Debug>:POSTURE_DEBUG>)

add_library(posture_sanitize INTERFACE)
add_library(posture::sanitize ALIAS posture_sanitize)
if(POSTURE_FUZZ)
    target_compile_options(posture_sanitize INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(POSTURE_SANITIZE)
    target_compile_options(posture_sanitize INTERFACE
        -fsanitize=${POSTURE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(posture_sanitize INTERFACE -fsanitize=${POSTURE_SANITIZE})
endif()

add_library(posture_harden INTERFACE)
add_library(posture::harden ALIAS posture_harden)
target_compile_options(posture_harden INTERFACE -fstack-protector-strong -fstack-clash-protection
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection>)
if(NOT POSTURE_SANITIZE)
    target_compile_options(posture_harden INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
endif()
target_link_options(posture_harden INTERFACE -Wl,-z,relro -Wl,-z,now)

# Adds the folder when it has a CMakeLists.txt.
function(posture_add_part folder)
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt")
        add_subdirectory(${folder})
    endif()
endfunction()

# posture_skip(WHAT REASON): says at the end of the configuration what was left out.
function(posture_skip what reason)
    if(POSTURE_REQUIRE_ALL)
        message(FATAL_ERROR "${what}: ${reason}")
    endif()
    set_property(GLOBAL APPEND PROPERTY POSTURE_SKIPPED "${what}: ${reason}")
endfunction()

function(posture_summary)
    get_property(skipped GLOBAL PROPERTY POSTURE_SKIPPED)
    foreach(line ${skipped})
        message(STATUS "skipped ${line}")
    endforeach()
endfunction()

# posture_add_library(NAME SOURCES … [LIBS …] [PRIVATE_LIBS …])
# One static library of plugins/common; includes are written "common/<part>/<file>.h".
function(posture_add_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;PRIVATE_LIBS" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}/plugins")
    target_link_libraries(${name} PUBLIC ${ARG_LIBS}
        PRIVATE ${ARG_PRIVATE_LIBS} posture::warnings posture::sanitize posture::harden)
endfunction()

# posture_add_executable(NAME SOURCES … LIBS … [OUTPUT name] [DESTINATION dir])
function(posture_add_executable name)
    cmake_parse_arguments(ARG "" "OUTPUT;DESTINATION" "SOURCES;LIBS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/plugins")
    target_compile_options(${name} PRIVATE -fPIE)
    target_link_options(${name} PRIVATE -pie)
    target_link_libraries(${name} PRIVATE ${ARG_LIBS} posture::warnings posture::sanitize posture::harden)
    if(ARG_OUTPUT)
        set_target_properties(${name} PROPERTIES OUTPUT_NAME ${ARG_OUTPUT})
    endif()
    if(ARG_DESTINATION)
        install(TARGETS ${name} RUNTIME DESTINATION ${ARG_DESTINATION})
    endif()
endfunction()

# posture_add_module(NAME SOURCES … LIBS …): a collectd plugin, NAME.so, one exported symbol.
function(posture_add_module name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
    add_library(${name} MODULE ${ARG_SOURCES})
    set_target_properties(${name} PROPERTIES PREFIX "")
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/plugins")
    target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL)
    target_link_libraries(${name} PRIVATE ${ARG_LIBS} collectd::plugin
        posture::warnings posture::sanitize posture::harden)
    install(TARGETS ${name} LIBRARY DESTINATION lib/collectd)
endfunction()

# posture_add_test(NAME LABEL label SOURCES … LIBS … [ARGS …] [TIMEOUT s]): a cmocka program under ctest.
function(posture_add_test name)
    if(NOT BUILD_TESTING)
        return()
    endif()
    cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LIBS;ARGS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/plugins")
    target_compile_definitions(${name} PRIVATE POSTURE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
        POSTURE_TEST_DIR="${CMAKE_CURRENT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE ${ARG_LIBS} PkgConfig::CMOCKA
        posture::warnings posture::sanitize)
    add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS})
    if(NOT ARG_LABEL)
        set(ARG_LABEL unit)
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 60)
    endif()
    set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
endfunction()

# posture_add_pytest(NAME LABEL label FILES … [TIMEOUT s]): pytest files under ctest. The tests find
# the build by POSTURE_BUILD_DIR and the checkout by POSTURE_SOURCE_DIR.
function(posture_add_pytest name)
    if(NOT BUILD_TESTING)
        return()
    endif()
    cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "FILES" ${ARGN})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 600)
    endif()
    add_test(NAME ${name} WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
        COMMAND "${POSTURE_PYTHON}" -m pytest -q -p no:cacheprovider ${ARG_FILES})
    set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
        ENVIRONMENT "POSTURE_BUILD_DIR=${PROJECT_BINARY_DIR};POSTURE_SOURCE_DIR=${PROJECT_SOURCE_DIR};PYTHONDONTWRITEBYTECODE=1;POSTURE_SANITIZE=${POSTURE_SANITIZE}")
endfunction()

# posture_add_fuzz(NAME SOURCE file LIBS … CORPUS folder)
# A function LLVMFuzzerTestOneInput. With clang and POSTURE_FUZZ a libFuzzer program; otherwise a
# program that replays the corpus, run under ctest with label fuzz.
function(posture_add_fuzz name)
    if(NOT BUILD_TESTING)
        return()
    endif()
    cmake_parse_arguments(ARG "" "CORPUS" "SOURCE;LIBS" ${ARGN})
    if(POSTURE_FUZZ)
        add_executable(${name} ${ARG_SOURCE})
        target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        add_executable(${name} ${ARG_SOURCE} "${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c")
        add_test(NAME ${name} COMMAND ${name} "${ARG_CORPUS}")
        set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
    endif()
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/plugins")
    target_compile_definitions(${name} PRIVATE POSTURE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE ${ARG_LIBS} posture::warnings posture::sanitize)
endfunction()
