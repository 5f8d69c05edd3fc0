#include <security/pam_appl.h>

#include <cstdlib>
#include <cstring>

#include "proxy/auth/proofs.h"

namespace pgweir {
namespace {

constexpr char default_service[] = "pgbouncer";

// Gives the password to every prompt that hides what is typed. Other questions have no answer.
int converse(int count, const pam_message** messages, pam_response** out, void* data) {
  const auto& request = *static_cast<const ProofRequest*>(data);
  if (count < 1 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  auto* answers = static_cast<pam_response*>(
      std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  if (!answers) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    const int style = messages[i]->msg_style;
    if (style == PAM_ERROR_MSG || style == PAM_TEXT_INFO) continue;
    answers[i].resp = style == PAM_PROMPT_ECHO_OFF ? strdup(request.password.c_str()) : nullptr;
    if (answers[i].resp) continue;
    for (int k = 0; k < i; ++k) std::free(answers[k].resp);
    std::free(answers);
    return PAM_CONV_ERR;
  }
  *out = answers;  // PAM frees them
  return PAM_SUCCESS;
}

}  // namespace

ProofAnswer prove_by_pam(const ProofRequest& request) {
  const pam_conv conversation{converse, const_cast<ProofRequest*>(&request)};
  pam_handle_t* pam = nullptr;
  const char* service = request.pam_service.empty() ? default_service : request.pam_service.c_str();
  int result = pam_start(service, request.user.c_str(), &conversation, &pam);
  if (result != PAM_SUCCESS)
    return {false, {}, std::string("pam_start() failed: ") + pam_strerror(pam, result)};
  const char* step = "pam_set_item()";
  if (!request.address.empty()) result = pam_set_item(pam, PAM_RHOST, request.address.c_str());
  if (result == PAM_SUCCESS) {
    step = "pam_authenticate()";
    result = pam_authenticate(pam, PAM_SILENT);
  }
  if (result == PAM_SUCCESS) {
    step = "pam_acct_mgmt()";
    result = pam_acct_mgmt(pam, PAM_SILENT);
  }
  ProofAnswer answer{result == PAM_SUCCESS, {}, {}};
  if (!answer.good) answer.detail = std::string(step) + " failed: " + pam_strerror(pam, result);
  pam_end(pam, result);
  return answer;
}

}  // namespace pgweir
