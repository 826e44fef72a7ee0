# Called when the file is autoloaded.
_weft_dispatch "$@"
