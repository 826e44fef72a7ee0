# SPDX-License-Identifier: Apache-2.0
# Called when the file is autoloaded.
_weft_dispatch "$@"
