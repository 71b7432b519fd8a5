/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_SSH_CHECK_H
#define POSTURE_CRYPTO_SSH_CHECK_H

#include "common/checks/algorithm.h"
#include "posture_crypto/ssh_facts.h"

/* One check on one endpoint of which something was measured. Lists that are not whole are
 * the caller's matter: what is here is judged as if it were all. */
typedef void ssh_check_fn(const struct posture_check_input *input,
                          const struct ssh_endpoint *endpoint,
                          struct posture_verdict *verdict);

ssh_check_fn ssh_version_check;
ssh_check_fn ssh_kex_check;
ssh_check_fn ssh_pq_kex_check;
ssh_check_fn ssh_host_key_check;
ssh_check_fn ssh_cipher_check;
ssh_check_fn ssh_mac_check;
ssh_check_fn ssh_terrapin_check;
ssh_check_fn ssh_strength_check;

/* A finding about something that the server offers. item: what people call it. */
typedef void ssh_finding_fn(const struct posture_finding *finding, const char *item,
                            void *data);

/* Every method of key exchange; the size of a group exchange counts where it is known. */
void ssh_kex_each(const struct posture_check_input *input,
                  const struct ssh_endpoint *endpoint, ssh_finding_fn *fn, void *data);
/* Every host key, the keys of their CAs, and what they all sign by. */
void ssh_host_keys_each(const struct posture_check_input *input,
                        const struct ssh_endpoint *endpoint, ssh_finding_fn *fn,
                        void *data);
void ssh_ciphers_each(const struct posture_check_input *input,
                      const struct ssh_endpoint *endpoint, ssh_finding_fn *fn,
                      void *data);
/* A direction has no cipher, or one that leaves integrity to a MAC. */
bool ssh_needs_mac(const struct posture_check_input *input,
                   const struct ssh_endpoint *endpoint);
/* Nothing where every cipher brings its own integrity. */
void ssh_macs_each(const struct posture_check_input *input,
                   const struct ssh_endpoint *endpoint, ssh_finding_fn *fn, void *data);
/* A method whose group's size would decide is offered, and the size is not known. */
bool ssh_lacks_gex(const struct posture_check_input *input,
                   const struct ssh_endpoint *endpoint);

#endif
