// Functions, trait objects, closures and panics that are caught, in Rust.
use std::arch::asm;
use std::hint::black_box;
use std::panic;

static PLACES: [(&str, u64); 5] = [
    ("rusty::main;rusty::outer;rusty::leaf", 300),
    ("rusty::main;rusty::walk;<rusty::Square as rusty::Shape>::area", 200),
    ("rusty::main;rusty::catches;...;rusty::panics", 200),
    ("rusty::main;rusty::calls;...;rusty::called", 150),
    ("rusty::main;rusty::generic", 100),
];
static mut NS: [u64; 5] = [0; 5];
static mut SEED: u64 = 1;

#[inline(always)]
fn clock() -> u64 {
    let mut time = [0u64; 2];
    unsafe {
        asm!("syscall", inlateout("rax") 228u64 => _, in("rdi") 3u64, in("rsi") time.as_mut_ptr(),
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    time[0] * 1_000_000_000 + time[1]
}

#[inline(always)]
fn burn_for(ns: u64) -> u64 {
    let start = clock();
    let mut now = start;
    while now < start + ns {
        for _ in 0..20000 {
            unsafe { asm!("", options(nomem, nostack)) };
        }
        now = clock();
    }
    now - start
}

#[inline(always)]
fn burn(place: usize) {
    unsafe {
        SEED = SEED.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let random = SEED | 1 << 20;
        let zeroes = random.leading_zeros();
        let digits = ((random << zeroes) >> 53) & 1023;
        NS[place] += burn_for(PLACES[place].1 * 693 * (1024 * (zeroes as u64 + 1) - digits) / 1024);
    }
}

#[inline(never)]
fn leaf(n: u64) -> u64 {
    burn(0);
    n + 1
}

#[inline(never)]
fn outer(n: u64) -> u64 {
    let room = black_box([n; 40]);
    let r = black_box(leaf(room[3]));
    r + 1
}

trait Shape {
    fn area(&self) -> u64;
}
struct Square(u64);
impl Shape for Square {
    #[inline(never)]
    fn area(&self) -> u64 {
        burn(1);
        self.0 * self.0
    }
}

#[inline(never)]
fn walk(shape: &dyn Shape) -> u64 {
    black_box(shape.area()) + 1
}

#[inline(never)]
fn panics(n: u64) -> u64 {
    burn(2);
    if black_box(n) > 0 {
        panic::panic_any(n);
    }
    n
}

#[inline(never)]
fn catches(n: u64) -> u64 {
    match panic::catch_unwind(|| panics(n)) {
        Ok(n) => n,
        Err(_) => 7,
    }
}

#[inline(never)]
fn called(n: u64) -> u64 {
    burn(3);
    n
}

#[inline(never)]
fn calls(f: &dyn Fn(u64) -> u64) -> u64 {
    black_box(f(1)) + 1
}

#[inline(never)]
fn generic<T: Into<u64>>(n: T) -> u64 {
    burn(4);
    n.into()
}

#[inline(never)]
fn truth_warm(ms: u64) {
    burn_for(ms * 1_000_000);
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

fn main() {
    let wanted = number("TRUTH_CPU_MS", 1000) * 1_000_000;
    panic::set_hook(Box::new(|_| ()));
    truth_warm(number("TRUTH_WARM_MS", 300));
    let mut sum = 0;
    while unsafe { (0..5).map(|i| NS[i]).sum::<u64>() } < wanted {
        sum += black_box(outer(sum & 7));
        sum += black_box(walk(black_box(&Square(3))));
        sum += black_box(catches(1));
        sum += black_box(calls(black_box(&|n| black_box(called(n)) + 1)));
        sum += black_box(generic(3u32));
    }
    black_box(sum);
    for i in 0..5 {
        println!("{{\"stack\": \"{}\", \"cpu_ns\": {}}}", PLACES[i].0, unsafe { NS[i] });
    }
    println!("{{\"calls_library\": [\"rusty::panics\", \"rusty::catches\"]}}");
}
