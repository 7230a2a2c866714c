"""What the guard knows: English words, small letters, written for this project.

Lists of words that stop a change may only grow too long; lists that let one through may only be too
short.  Both mistakes leave a prompt as it was written.
"""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


ROLES = _set("""
    accountant actor adult analyst architect artist assistant astronaut athlete author baker
    banker barber barista bartender biologist boss builder butcher candidate carpenter
    cashier ceo chef chemist cleaner clerk climber coach colleague commuter composer
    construction-worker consultant cook counselor customer cyclist dancer dentist designer detective
    developer diver doctor driver economist editor electrician employee employer engineer
    entrepreneur executive expert farmer firefighter fisher florist gardener guard guitarist
    hairdresser hiker historian human individual inspector instructor interpreter janitor
    journalist judge juggler lawyer lecturer librarian lifeguard manager
    mathematician mechanic musician neighbor neighbour novelist nurse nutritionist optician painter
    paramedic passenger patient pedestrian person pharmacist philosopher photographer physician
    physicist pianist pilot plumber poet politician porter potter professor programmer
    psychologist receptionist reporter researcher runner sailor salesperson scientist sculptor
    secretary shopkeeper singer skateboarder skier soldier statistician student surgeon surveyor
    officer attendant player agent operator guide
    swimmer tailor teacher technician teller therapist tourist trader trainer translator traveler
    traveller tutor veterinarian violinist welder worker writer
""")
"""One person, no gender in the word; none that is also a ruler or a figure of history."""

MEDIA = _set("""
    photo photograph picture portrait image painting drawing sketch illustration render rendering
    cartoon emoji icon poster close-up closeup shot headshot snapshot watercolor watercolour oil
    pencil ink charcoal pixel art studio color colour black-and-white monochrome realistic
    photorealistic cinematic detailed high-quality professional full-body half-length of showing
    depicting
""")
ADJECTIVES = _set("""
    good bad kind friendly smiling happy sad angry serious calm tired busy confident proud shy
    nervous lonely rich poor wealthy successful professional skilled hard-working hardworking lazy
    honest clever smart intelligent creative ambitious unemployed healthy sick
    exotic ordinary typical average local modest polite rude brave strong weak relaxed surprised
    construction police bus taxi truck train tram forklift social software hardware civil electrical
    mechanical aerospace flight office factory warehouse security chess football tennis basketball
    kindergarten school primary science math maths music dance yoga fitness tour news sports data
    research laboratory lab dental medical hospital veterinary street pastry
    laughing thoughtful elegant casual formal attractive beautiful ugly
""")
"""What may stand between the article and the person."""

BEHIND = _set("""
    in at with on near by beside next outside inside under over behind before during while who that
    wearing holding standing sitting working smiling looking reading writing talking walking
    running cooking painting playing using driving riding teaching explaining showing giving
    making fixing repairing drinking eating laughing waiting posing against
    surrounded lit drawn painted photographed
""")
"""What may follow the person: then the word is no part of a compound."""

SAYS = _set("""
    woman women man men male female lady gentleman gentlemen guy gal girl boy lad lass masculine
    feminine gender gendered androgynous nonbinary non-binary binary transgender trans intersex
    genderqueer enby queer gay lesbian drag butch femme macho sexy
    he him his himself she her hers herself they them their themselves it its
    mother father mom mum dad mommy daddy parent mama papa son daughter sister brother wife husband
    bride groom widow widower aunt uncle niece nephew grandmother grandfather grandma grandpa
    grandparent girlfriend boyfriend twin sibling bridesmaid maternal paternal motherly fatherly
    pregnant pregnancy maternity breastfeeding nursing menopausal lactating
    young younger youthful old older elderly aged senior junior middle-aged teen teenage teenager
    adolescent baby infant toddler newborn child children kid kids youngster schoolboy schoolgirl
    year years age aged pensioner retiree retired ageing aging
    black white brown dark light fair pale tan tanned olive skin skinned complexion melanin
    blonde blond brunette redhead ginger freckled freckle afro dreadlock dreadlocks cornrows braid
    braided bald balding bearded beard mustache moustache goatee stubble sideburns unshaven
    ethnic ethnicity race racial caucasian african asian european american hispanic latino latina
    latinx arab arabic indian chinese japanese korean vietnamese thai filipino filipina indonesian
    malay pakistani bangladeshi nepali tibetan mongolian persian iranian iraqi syrian turkish
    kurdish israeli palestinian egyptian moroccan nigerian ghanaian kenyan ethiopian somali
    sudanese congolese zulu maasai mexican brazilian argentinian colombian cuban jamaican haitian
    peruvian native indigenous aboriginal maori inuit polynesian hawaiian samoan british english
    scottish irish welsh french german italian spanish portuguese dutch belgian swiss austrian
    polish czech hungarian romanian greek russian ukrainian swedish norwegian danish finnish
    scandinavian nordic slavic balkan mediterranean gypsy roma romani canadian australian africa
    asia europe china japan india korea mexico brazil nigeria france germany italy spain russia
    england britain america usa
    christian catholic protestant muslim islamic jewish hindu buddhist sikh nun monk priest imam
    rabbi pastor bishop hijab niqab burqa burka chador turban kippah yarmulke habit cassock sari
    saree kimono hanbok kilt dirndl sombrero keffiyeh abaya dashiki
    dress skirt gown bikini bra lingerie corset heels lipstick makeup make-up bust cleavage breast
    breasts boob curvy busty voluptuous muscular shirtless topless nude naked
    actress waitress hostess stewardess policeman policewoman fireman firewoman businessman
    businesswoman salesman saleswoman chairman chairwoman congressman congresswoman spokesman
    spokeswoman cowboy cowgirl craftsman fisherman handyman housewife househusband landlord
    landlady seamstress ballerina maid butler midwife heroine hero wizard witch
    wheelchair blind deaf disabled disability autistic amputee prosthetic
    named called name known celebrity famous lookalike likeness biopic portrayed
    not no without except neither nor never instead opposite
""")
"""Whatever of it stands anywhere, somebody has said who is meant, or who is not."""

MANY = _set("""
    people persons group crowd team family families couple couples pair class crew staff squad
    audience army troop choir band orchestra gang party committee panel colleagues friends both
    several many some few two three four five six seven eight nine ten dozen dozens hundred
    hundreds thousand thousands each every everyone everybody all others another other together
    meeting coworkers students workers teachers doctors nurses patients soldiers
""")
"""More than one person, or perhaps."""

PAST = _set("""
    king queen prince princess emperor empress pope president chancellor tsar tsarina sultan shah
    pharaoh duke duchess earl count countess baron baroness lord knight samurai ninja geisha viking
    gladiator roman aztec inca maya mayan spartan crusader conquistador pilgrim colonist
    settler confederate nazi fascist soviet communist founding founder founders revolution
    revolutionary war wars battle ww wwi wwii holocaust genocide slavery slave plantation
    ancient medieval renaissance baroque victorian edwardian georgian elizabethan tudor
    colonial imperial prehistoric neanderthal caveman antique antiquity
    historic historical history historically period century centuries era decade vintage
    suffragette suffragist apollo nobel laureate saint prophet apostle disciple jesus christ mary
    buddha muhammad moses god goddess angel biblical bible mythology mythological legendary myth
    discovered invented inventor discoverer won winner champion assassinated founded elected
    crowned sistine mona hamlet macbeth first dynasty kingdom empire republic monarchy royal reign
    crown throne
    nineteenth eighteenth seventeenth sixteenth fifteenth twentieth thirties forties fifties sixties
    seventies eighties nineties fifteen twenty thirty forty fifty
""")
"""History and rulers have facts: who was there is not for a modifier to say."""

NAMES = _set("""
    james john robert michael william david richard joseph thomas charles christopher daniel matthew
    anthony mark donald steven paul andrew joshua kenneth kevin brian george edward ronald timothy
    jason jeffrey ryan jacob gary nicholas eric jonathan stephen larry justin scott brandon benjamin
    samuel gregory frank alexander raymond patrick jack dennis jerry tyler aaron jose adam henry
    nathan peter zachary kyle walter harold jeremy ethan carl keith roger gerald arthur albert isaac
    leonardo pablo vincent claude salvador napoleon julius augustus cleopatra winston franklin
    abraham martin nelson mahatma karl fidel che ho mao barack hillary angela margaret elizabeth
    victoria diana catherine anne marie rosa harriet florence ada alan grace katherine jane emily
    patricia jennifer linda susan jessica sarah karen lisa nancy betty sandra ashley kimberly donna
    michelle carol amanda melissa deborah stephanie rebecca laura sharon cynthia kathleen amy
    shirley anna brenda pamela emma nicole helen samantha christine debra rachel carolyn janet maria
    heather olivia sophia isabella mia charlotte amelia harper evelyn mohammed muhammad ahmed ali
    omar fatima aisha hassan ibrahim yusuf mehmet ayse priya raj amit deepak wei li ming yuki
    hiroshi
    kenji sakura jun juan carlos luis miguel pedro sofia lucia diego ivan vladimir olga
    natasha dmitri sergei kwame amara chidi ngozi
    washington jefferson lincoln roosevelt kennedy nixon reagan clinton bush obama trump biden
    einstein newton darwin curie tesla edison galileo copernicus hawking turing lovelace hopper
    feynman oppenheimer pasteur nightingale shakespeare dickens tolstoy hemingway mozart beethoven
    bach vivaldi picasso rembrandt vermeer monet gogh dali warhol kahlo frida churchill thatcher
    gandhi mandela luther tubman stalin lenin hitler mussolini napoleon caesar marx castro
    guevara zedong jinping putin merkel macron musk gates bezos jobs zuckerberg swift beyonce
    rihanna madonna jackson presley monroe hepburn chaplin spielberg ronaldo messi pele jordan
    woods williams armstrong gagarin earhart tereshkova columbus magellan
""")
"""First names and famous last names, for prompts that are written without capital letters."""
