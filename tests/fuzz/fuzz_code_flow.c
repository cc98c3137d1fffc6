/* Code of strangers: following it must end, and its rules must be in order. The first bytes say
 * where functions start; the rest is the code. */
#include "fuzz.h"
#include "unwind/native/code_flow.h"
#include "unwind/native/eh_frame.h"
#include "unwind/native/x86.h"

enum { CODE = 0x401000, PAGE = 4096, FUNCTIONS = 4 };

/* A file with two segments of code and a table of symbols. */
struct start {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr sections[4];
	Elf64_Sym symbols[FUNCTIONS + 1];
	char names[16];
};

static void make_start(struct start *s, const uint8_t *data, size_t code_size)
{
	*s = (struct start){
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_EXEC,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_entry = CODE + data[0],
			   .e_phoff = offsetof(struct start, segment),
			   .e_shoff = offsetof(struct start, sections),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1,
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = 4},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_offset = PAGE,
			    .p_vaddr = CODE,
			    .p_filesz = code_size,
			    .p_memsz = code_size},
		.sections = {[1] = {.sh_type = SHT_PROGBITS,
				    .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				    .sh_addr = CODE,
				    .sh_offset = PAGE,
				    .sh_size = code_size},
			     [2] = {.sh_type = SHT_SYMTAB,
				    .sh_offset = offsetof(struct start, symbols),
				    .sh_size = sizeof(s->symbols),
				    .sh_entsize = sizeof(Elf64_Sym),
				    .sh_link = 3},
			     [3] = {.sh_type = SHT_STRTAB,
				    .sh_offset = offsetof(struct start, names),
				    .sh_size = sizeof(s->names)}},
		.names = "\0f\0f.cold",
	};
	for (int i = 0; i < FUNCTIONS; i++)
		s->symbols[i + 1] = (Elf64_Sym){.st_name = i ? 1 : 3,
						.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
						.st_shndx = 1,
						.st_value = CODE + data[i + 1]};
}

static void check_flow(const struct elf_file *f, size_t code_size)
{
	code_ranges gaps = {}, covered = {};
	struct code_flow flow;

	vec_push(&gaps, (struct code_range){CODE, CODE + code_size / 2});
	vec_push(&gaps, (struct code_range){CODE + code_size / 2, CODE + code_size});
	vec_push(&covered, (struct code_range){CODE, CODE + code_size});
	code_flow_find(f, &gaps, &covered, &flow);
	for (size_t i = 0; i < flow.rules.len; i++) {
		const struct code_rule *r = &flow.rules.data[i];

		CHECK(r->address >= CODE && r->address <= CODE + code_size);
		CHECK(!i || r[-1].address < r->address);
	}
	code_flow_fini(&flow);
	vec_fini(&gaps);
	vec_fini(&covered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwind_table table = {};
	struct unwind_rules rules;
	struct x86_insn insn;
	struct start start;
	struct elf_file *f;

	if (size < FUNCTIONS + 32)
		return 0;
	size_t code_size = size - FUNCTIONS - 1;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	make_start(&start, data, code_size);
	CHECK(pwrite(fd, &start, sizeof(start), 0) == sizeof(start));
	CHECK(pwrite(fd, data + FUNCTIONS + 1, code_size, PAGE) == (ssize_t)code_size);
	if (!x86_decode(data, size, 0, &insn))
		CHECK(insn.size && insn.size <= 15);
	CHECK(!elf_file_open(fd, &f, NULL));
	check_flow(f, code_size);
	unwind_rules_init(&rules);
	unwind_table_build(f, NULL, NULL, &rules, &table, NULL);
	unwind_table_fini(&table);
	unwind_rules_fini(&rules);
	elf_file_close(f);
	return 0;
}
