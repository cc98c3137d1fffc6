function leaf(n){ let s=0; for(let i=0;i<n;i++) s=(s*31+i)|0; return s; }
function mid(n){ return [n,n+1].map(x=>leaf(100000+x)).reduce((a,b)=>a^b,0); }
function top(){ let s=0; for(;;) s^=mid(1000); }
top();
