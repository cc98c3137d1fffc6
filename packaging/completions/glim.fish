# Completion of glim for fish: install it as /usr/share/fish/vendor_completions.d/glim.fish. The words
# come from the program itself; where it has none, files are offered.
function __glim_words
	set -l words (commandline -opc)
	$words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c glim -n 'test -n "$(__glim_words)"' -f -a '(__glim_words)'
